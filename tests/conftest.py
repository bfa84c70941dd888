"""What holds for every test: generated inputs are the same in each run, so that a red run can be run again."""

from hypothesis import settings

settings.register_profile("suite", derandomize=True, deadline=None, database=None)
settings.load_profile("suite")
