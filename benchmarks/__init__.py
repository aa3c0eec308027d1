"""How fast kairos is beside code that was written by hand for the same job. `make bench` runs them."""
