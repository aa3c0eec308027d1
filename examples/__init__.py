"""Programs that use kairos on real data, one package each."""
