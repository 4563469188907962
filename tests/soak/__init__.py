"""The real processes under load, faults and kills for some minutes, and what is left afterwards."""
