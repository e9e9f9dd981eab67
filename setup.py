"""Finds the packages under each house, so that a new folder is shipped without being listed."""

from setuptools import find_packages, setup

HOUSES = ("agent", "evals", "pocket", "prompts", "tools")

setup(
    packages=[
        f"foveate.{name}"
        for house in HOUSES
        for name in (house, *(f"{house}.{sub}" for sub in find_packages(house)))
    ]
)
