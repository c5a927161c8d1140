"""``driftlead serve``: any model behind HTTP, watched."""

from __future__ import annotations

from typing import Annotated

import typer

from driftlead.cli.options import (
    ApiKey,
    Budget,
    Calibration,
    Folder,
    Host,
    MetricsHost,
    MetricsPort,
    Port,
    Reference,
    RowsPerSecond,
    Window,
    option,
)
from driftlead.cli.shapes import ShapeOption, parse_shape

__all__ = ["EPILOG", "serve"]

EPILOG = """
**Examples**

- driftlead serve model.pt2 --reference reference.state

- driftlead serve credit.scoring:CreditModel --reference reference.state --folder var --port 9000

- driftlead serve scripted.pt --reference reference.state --shape 8,8 --softmax

The model is a file of torch.export.save (.pt2) or torch.jit.save, or module:attribute: a
driftlead.service.Predictor, a torch.nn.Module, an object with predict_proba or predict (scikit-learn), or a
function of rows. Loading runs its code. Its inputs, and its confidence, entropy and class or its value, are
watched as far as the profile has them.
"""


def serve(
    model: Annotated[str, typer.Argument(help="A file of PyTorch, or module:attribute.")],
    reference: Reference,
    name: Annotated[str | None, typer.Option(help="Name of the model, as in its address.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version; by default a hash of the file.")] = None,
    shape: ShapeOption = None,
    softmax: Annotated[bool, typer.Option("--softmax", help="The model gives logits.")] = False,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    metrics_host: MetricsHost = "127.0.0.1",
    metrics_port: MetricsPort = 8001,
    folder: Folder = None,
    false_alarm_every: Budget = None,
    rows_per_second: RowsPerSecond = None,
    window: Window = None,
    calibration: Calibration = None,
    api_key: ApiKey = None,
) -> None:
    """Serve a model by the Open Inference Protocol V2, and say when it drifts."""
    from driftlead.cli.reference import load_profile, load_settings
    from driftlead.service import create_app
    from driftlead.service.host import Watched
    from driftlead.service.host import host as run
    from driftlead.service.introduction import example_request
    from driftlead.service.loading import class_names, feature_names, load_predictor, watched_predictor
    from driftlead.service.process import Endpoints

    profile = load_profile(reference)
    predictor = watched_predictor(
        load_predictor(
            model,
            row_shape=parse_shape(shape),
            feature_names=feature_names(profile),
            name=name,
            version=version,
            softmax=softmax,
        ),
        profile,
    )
    thresholds, settings = load_settings(
        profile,
        calibration,
        false_alarm_every=false_alarm_every,
        rows_per_second=rows_per_second,
        window=window,
    )
    run(
        Watched(predictor.name, predictor.version, profile, settings, folder, thresholds),
        Endpoints(host, port, metrics_host, metrics_port, setting=option),
        lambda monitor, registry: create_app(
            predictor,
            monitor,
            registry=registry,
            class_names=class_names(predictor, profile),
            api_key=api_key,
        ),
        lambda url: ["", "Try it:", f"  {example_request(predictor, url)}"],
    )
