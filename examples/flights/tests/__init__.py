"""Tests of the flights example, against answers computed without kairos."""
