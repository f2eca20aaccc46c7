"""Endpoints: their configuration, protocols, inputs and answers."""
