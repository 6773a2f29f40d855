"""This host's settings: tower.toml, TOWER_* variables and flags, read once into a frozen `Settings`.

A flag beats the environment, which beats the file, which beats the default. Settings that all
hosts share are not here: those are replicated and changed by a command. Secrets are never written
in the file: name a file that holds one with `<key>_file`, or set TOWER_<SECTION>_<KEY>(_FILE).
"""

from agent.config.example import default_text, render_example, shown_settings
from agent.config.loading import DEFAULT_PATH, load_settings
from agent.config.origin import ConfigError, LoadedSettings, Origin, Problem
from agent.config.settings import (
    Network,
    Settings,
    label_pairs,
    networks_of,
    setting_keys,
    split_address,
    variable_of,
)

__all__ = [
    "DEFAULT_PATH",
    "ConfigError",
    "LoadedSettings",
    "Network",
    "Origin",
    "Problem",
    "Settings",
    "default_text",
    "label_pairs",
    "load_settings",
    "networks_of",
    "render_example",
    "setting_keys",
    "shown_settings",
    "split_address",
    "variable_of",
]
