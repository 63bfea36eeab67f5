"""The wall clock: the cast of a run on chains whose blocks are made by others."""

from petra.runtime.live import LiveResult, LiveSettings, play_live

__all__ = ["LiveResult", "LiveSettings", "play_live"]
