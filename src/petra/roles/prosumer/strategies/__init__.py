"""Trading strategies (R12), one file each, one signature: `decide(situation) -> list[Action]`."""

from petra.roles.prosumer.strategies.situation import Action, CounterOffer, Post, Situation, Strategy, Take, TakeBack

__all__ = ["Action", "CounterOffer", "Post", "Situation", "Strategy", "Take", "TakeBack"]
