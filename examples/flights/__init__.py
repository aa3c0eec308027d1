"""The flights that left New York in 2013, in one SQLite file: `python -m examples.flights.demo`."""
