"""The project that `tidemill init` writes: each file here lands in the new folder."""
