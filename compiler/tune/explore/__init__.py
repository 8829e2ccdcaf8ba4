"""Explorers: which settings of a space to measure next."""

from .annealing import Effort
from .explorer import ExhaustiveExplorer, Explorer, RandomExplorer
from .genetic import GeneticExplorer
from .model_based import ModelExplorer

__all__ = ["Effort", "ExhaustiveExplorer", "Explorer", "GeneticExplorer", "ModelExplorer", "RandomExplorer"]
