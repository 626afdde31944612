"""The prediction log: written ahead on the gateway, kept as Parquet, locally or in a store."""
