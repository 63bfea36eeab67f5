"""Readers for profiles and feeders, and the case study that comes with PETra."""

from petra.data.case_study import CASE_STUDY_DAY, CASE_STUDY_WINDOW, load_case_study, load_feeder_day
from petra.data.csv_profiles import read_profiles_csv
from petra.data.csv_spec import CsvSpec, HomeColumns, csv_spec_from_values
from petra.data.feeder_grids import GRIDS, load_grid, load_rural_stress
from petra.data.feeder_pandapower import feeder_from_pandapower_json
from petra.data.feeder_pgm import feeder_from_pgm_json
from petra.data.feeders import feeder_from_json, feeder_to_json
from petra.data.profiles import HomeProfile, ProfileSet, local_time

__all__ = [
    "CASE_STUDY_DAY",
    "CASE_STUDY_WINDOW",
    "GRIDS",
    "CsvSpec",
    "HomeColumns",
    "HomeProfile",
    "ProfileSet",
    "csv_spec_from_values",
    "feeder_from_json",
    "feeder_from_pandapower_json",
    "feeder_from_pgm_json",
    "feeder_to_json",
    "load_case_study",
    "load_feeder_day",
    "load_grid",
    "load_rural_stress",
    "local_time",
    "read_profiles_csv",
]
