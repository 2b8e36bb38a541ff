"""Measuring runs, and counting what a network costs without running it."""
