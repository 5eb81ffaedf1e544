"""What a model is, in the words by which extraction attacks choose their victims."""

from __future__ import annotations

from typing import Any

LINEAR, NETWORK, TREE, TWO_LAYERS = "logistic regression", "network", "decision tree", "two-layer relu"


def kinds_of(model: Any) -> tuple[str, ...]:
    """The kinds (see ``Extraction.victims``) that a loaded network or estimator belongs to; empty when unknown.

    scikit-learn's classes are known by name, networks by their layers.
    """
    import torch

    if isinstance(model, torch.nn.Module):
        return _kinds_of_network(model)
    name = type(model).__name__
    if name == "Pipeline":
        return ()
    if name in ("LogisticRegression", "LogisticRegressionCV"):
        return (LINEAR,)
    if name in ("DecisionTreeClassifier", "ExtraTreeClassifier"):
        return (TREE,)
    if name == "MLPClassifier":
        one_hidden_layer = getattr(model, "n_layers_", 0) == 3 and getattr(model, "activation", "") == "relu"
        return (NETWORK, TWO_LAYERS) if one_hidden_layer else (NETWORK,)
    return ()


def _kinds_of_network(model: Any) -> tuple[str, ...]:
    import torch

    nothing = (torch.nn.Flatten, torch.nn.Identity, torch.nn.Dropout)
    layers = [layer for layer in model.modules() if not list(layer.children()) and not isinstance(layer, nothing)]
    names = [type(layer).__name__ for layer in layers]
    if names == ["Linear"]:
        return (NETWORK, LINEAR)
    if names == ["Linear", "ReLU", "Linear"]:
        return (NETWORK, TWO_LAYERS)
    return (NETWORK,)
