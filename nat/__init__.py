"""Supernetworks and Neural Architecture Transfer: pools where no trained models exist yet."""
