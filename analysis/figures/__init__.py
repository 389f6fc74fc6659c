"""Figures: a tidy result in, a plotly figure out. Nothing is aggregated here, no global theme."""

from analysis.figures.arms import accuracy_by_arm as accuracy_by_arm
from analysis.figures.costs import device_time as device_time
from analysis.figures.forest import forest as forest
from analysis.figures.influence import influence as influence
from analysis.figures.learning import learning_curves as learning_curves
from analysis.figures.learning import training_loss as training_loss
from analysis.figures.response import dose_response as dose_response
from analysis.figures.scaling import scaling as scaling
