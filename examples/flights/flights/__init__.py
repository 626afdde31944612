"""The flights example: a year of departures from New York, a model that foresees delays, and a world to replay."""
