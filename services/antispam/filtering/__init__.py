"""Runs the chain: context, plan of steps, runner, verdicts, statistics of filters."""
