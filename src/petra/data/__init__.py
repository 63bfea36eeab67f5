"""Readers for profiles and feeders, and the case study that comes with PETra."""

from petra.data.case_study import CASE_STUDY_DAY, CASE_STUDY_WINDOW, load_case_study, load_feeder_day
from petra.data.feeders import feeder_from_json, feeder_to_json
from petra.data.profiles import HomeProfile, ProfileSet

__all__ = [
    "CASE_STUDY_DAY",
    "CASE_STUDY_WINDOW",
    "HomeProfile",
    "ProfileSet",
    "feeder_from_json",
    "feeder_to_json",
    "load_case_study",
    "load_feeder_day",
]
