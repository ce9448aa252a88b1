"""Mutation testing: seeded faults of rkbs's modules, each run against the tests of its module."""
