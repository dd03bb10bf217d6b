"""Demand and energy from meter readings and pulse edges."""
