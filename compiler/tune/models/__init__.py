"""Cost models: which of some settings are fast, from what was measured of others."""

from .cost_model import CostModel, Experience, ModelError, NoModel
from .tree_rnn import TreeRnnModel
from .xgboost_model import XGBoostModel

__all__ = ["CostModel", "Experience", "ModelError", "NoModel", "TreeRnnModel", "XGBoostModel"]
