"""What the state store holds: one small frozen type a kind of document, each with a version.

A document that an earlier release wrote is brought up to date when it is read; one that a later release wrote is
refused. The keys of the stored form are read elsewhere too (status, reports, metrics): a new version may add keys, and
renames one only together with its readers.
"""
