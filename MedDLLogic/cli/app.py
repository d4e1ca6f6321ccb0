"""The commands and their options; what each one does lies in the module of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .. import __version__
from ..errors import MedDLError
from ..job import DEFAULT_PRODUCTS, Computing
from .terminal import Terminal

app = typer.Typer(
    name="meddl",
    help="From a medical volume to a verified result. Research use only.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models = typer.Typer(help="Models: list, show, get, add, verify, export, remove, trust.", no_args_is_help=True)
app.add_typer(models, name="models")
environment = typer.Typer(help="The worker's packages: check, install, verify, repair, remove.", no_args_is_help=True)
app.add_typer(environment, name="environment")

Json = Annotated[bool, typer.Option("--json", help="One JSON document a line on standard output.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")]
Wheelhouse = Annotated[Path | None, typer.Option(help="Folder of wheels to use instead of the package index.")]
Worker = Annotated[
    bool,
    typer.Option("--worker", help="In a process that keeps models loaded; one that dies costs its own case alone."),
]
Build = Annotated[str, typer.Option(help="Build of torch; without it the one that fits this machine best.")]
Index = Annotated[str, typer.Option(help="Package index instead of the one that pip is set up with.")]
TorchIndex = Annotated[str, typer.Option(help="Index for torch instead of that of its build.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Say yes to the license and the download.")]


# Newer releases of typer carry a click of their own, so click's own class would not be the right one.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_INTERRUPTED = 130
"""What typer makes of Ctrl+C."""


def invoke(arguments: list[str]) -> int:
    """Exit status of the command with these arguments; MedDL's own errors pass through."""
    command = typer.main.get_command(app)
    try:
        status = command.main(args=arguments, prog_name="meddl", standalone_mode=False)
    except typer.Abort as exc:
        raise MedDLError("E602", "cancelled") from exc
    except _UsageError as exc:
        if not str(exc):  # the help was shown instead
            return MedDLError("E101", "").exit_status
        raise MedDLError("E101", "", str(exc), "see: meddl --help") from exc
    if status == _INTERRUPTED:
        raise MedDLError("E602", "cancelled")
    return status if isinstance(status, int) else 0


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meddl {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Version.")] = False,
) -> None:
    """Options of ``meddl`` itself."""


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")] = Path("meddl-demo"),
    device: Device = "auto",
    wheelhouse: Wheelhouse = None,
    as_json: Json = False,
) -> None:
    """Fetch a real head MRI and two models (54 MB), segment brain and tissue, show the result."""
    from .demo import run_demo

    run_demo(Terminal(as_json=as_json), output, device=device, wheelhouse=wheelhouse)


@app.command()
def segment(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, DICOM folders, folders or a CSV of cases; ROLE=PATH for channels.")
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Name of a model, or a card's .json file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results, one folder a case.")] = Path(
        "meddl-results"
    ),
    series: Annotated[str, typer.Option(help="SeriesInstanceUID, where a DICOM folder holds several.")] = "",
    products: Annotated[
        str, typer.Option(help="Of: segmentation,scene,measurements,overview,probabilities,uncertainty.")
    ] = ",".join(DEFAULT_PRODUCTS),
    existing: Annotated[
        Literal["refuse", "replace", "skip"], typer.Option(help="What happens to finished cases.")
    ] = "skip",
    roi: Annotated[str, typer.Option(help="Search only this box: six numbers, LPS mm, min x,y,z then max x,y,z.")] = "",
    box: Annotated[
        list[str] | None,
        typer.Option(
            help="[NAME=]I0,J0,I1,J1@K: voxels in two corners of a box on slice K, or slices K0-K1; may be given often."
        ),
    ] = None,
    nan_fill: Annotated[
        float | None, typer.Option(help="Value for NaN and infinite voxels; without it they are refused.")
    ] = None,
    allow_other_frame: Annotated[bool, typer.Option(help="Accept channels from another frame of reference.")] = False,
    device: Device = "auto",
    quality: Annotated[
        Literal["fast", "standard", "fine"],
        typer.Option(help="How far patches overlap; of no effect on models that take the whole volume at once."),
    ] = "standard",
    precision: Annotated[
        Literal["auto", "reference", "exact", "fast"],
        typer.Option(
            help="reference: as torch computes; exact: float32, faster; fast: half the bits; auto: fast where it was checked."
        ),
    ] = "auto",
    backend: Annotated[
        Literal["auto", "openvino", "onnxruntime", "torch"], typer.Option(help="Who computes; auto takes the fastest.")
    ] = "auto",
    mirror: Annotated[
        bool,
        typer.Option("--mirror", help="Average over mirrored patches, where the model allows it; 2 to 8 times slower."),
    ] = False,
    members: Annotated[int, typer.Option(help="How many networks of an ensemble to use; 0 for all.")] = 0,
    seed: Annotated[int, typer.Option(help="Of every random number in the run.")] = 0,
    plan: Annotated[
        bool, typer.Option("--plan", help="Tell tiles, time and memory of each case and run none.")
    ] = False,
    worker: Worker = False,
    yes: Yes = False,
    wheelhouse: Wheelhouse = None,
    as_json: Json = False,
) -> None:
    """Segment one image, a folder of them, or a table of cases."""
    from .plan import run_plan
    from .segment import Choices, run_segment

    choices = Choices(
        model=model, output=output, series=series, products=products, existing=existing, roi=roi, boxes=box or (),
        nan_fill=nan_fill,
        allow_other_frame=allow_other_frame, seed=seed, yes=yes, wheelhouse=wheelhouse, worker=worker,
        computing=Computing(device, quality, precision, backend, mirror, members),
    )  # fmt: skip
    (run_plan if plan else run_segment)(Terminal(as_json=as_json), inputs, choices)


@app.command()
def preprocess(
    inputs: Annotated[list[str], typer.Argument(help="Files, DICOM folders, folders or a CSV of cases.")],
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="JSON file with the steps.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the volumes, one folder a case.")] = Path(
        "meddl-results"
    ),
    series: Annotated[str, typer.Option(help="SeriesInstanceUID, where a DICOM folder holds several.")] = "",
    existing: Annotated[
        Literal["refuse", "replace", "skip"], typer.Option(help="What happens to finished cases.")
    ] = "skip",
    nan_fill: Annotated[
        float | None, typer.Option(help="Value for NaN and infinite voxels; without it they are refused.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Carry out a preprocessing recipe alone and write the volumes."""
    from .segment import run_preprocess

    run_preprocess(
        Terminal(as_json=as_json), inputs, recipe, output=output, series=series, existing=existing, nan_fill=nan_fill
    )


@app.command()
def run(
    job: Annotated[Path, typer.Argument(help="Job as JSON.")], worker: Worker = False, as_json: Json = False
) -> None:
    """Run one job description."""
    from .segment import run_job_file

    run_job_file(Terminal(as_json=as_json), job, use_worker=worker)


@app.command()
def bench(
    model: Annotated[str, typer.Argument(help="A model of one network in patches.")],
    image: Annotated[Path, typer.Argument(help="Image file, or a prepared volume (channel, k, j, i) as .npy.")],
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each does the work, in turns.")] = 3,
    threads: Annotated[int, typer.Option(min=1, max=256, help="Of the processor.")] = 2,
    overlap: Annotated[
        float | None, typer.Option(min=0, max=0.9, help="Of patches; the model's own without it.")
    ] = None,
    nnunet_python: Annotated[Path | None, typer.Option(help="A Python with nnunetv2, to compare with it.")] = None,
    nnunet_folder: Annotated[Path | None, typer.Option(help="The same model as nnU-Net's results folder.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder for figures and a chart.")] = None,
    as_json: Json = False,
) -> None:
    """Time this engine against MONAI's or nnU-Net's on the same network, volume and windows."""
    from .bench import BenchChoices, run_bench

    choices = BenchChoices(model, image, rounds, threads, overlap, nnunet_python, nnunet_folder, output)
    run_bench(Terminal(as_json=as_json), choices)


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(help="Image files and DICOM folders.")],
    series: Annotated[str, typer.Option(help="SeriesInstanceUID, where a DICOM folder holds several.")] = "",
    as_json: Json = False,
) -> None:
    """Tell what an image is, how it lies, and whether MedDL would take it."""
    from .inspect import run_check

    raise typer.Exit(run_check(Terminal(as_json=as_json), paths, series))


@app.command()
def info(as_json: Json = False) -> None:
    """Versions, devices and folders."""
    from .inspect import run_info

    run_info(Terminal(as_json=as_json))


@app.command()
def storage(
    remove: Annotated[list[str] | None, typer.Option(help="Remove a folder of the list, by its path; or: all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
    as_json: Json = False,
) -> None:
    """Every folder that MedDL wrote to on its own, with sizes; and away with them."""
    from .inspect import run_storage

    run_storage(Terminal(as_json=as_json), remove or [], is_confirmed=yes)


@models.command("list")
def models_list(
    zoo: Annotated[bool, typer.Option("--zoo", help="Those of MONAI's Model Zoo instead, from the web.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask the web without asking you.")] = False,
    as_json: Json = False,
) -> None:
    """All models, and which of them are on this machine."""
    from .models import run_list
    from .models_add import run_zoo

    if zoo:
        run_zoo(Terminal(as_json=as_json), is_confirmed=yes)
    else:
        run_list(Terminal(as_json=as_json))


@models.command("show")
def models_show(name: str, as_json: Json = False) -> None:
    """A model's card: what it does, its terms, its limits."""
    from .models import run_show

    run_show(Terminal(as_json=as_json), name)


@models.command("get")
def models_get(name: str, yes: Yes = False, wheelhouse: Wheelhouse = None, as_json: Json = False) -> None:
    """Show a model's license, then fetch its weights."""
    from .models import run_get

    run_get(Terminal(as_json=as_json), name, is_confirmed=yes, wheelhouse=wheelhouse)


@models.command("add")
def models_add(
    source: Annotated[
        str,
        typer.Argument(help="File, zip archive, folder or https address of a model, or monai:NAME of the Model Zoo."),
    ],
    name: Annotated[str, typer.Option(help="What to call it; without it like its file.")] = "",
    network: Annotated[str, typer.Option(help="For weights alone: the network they fill, such as monai.UNet.")] = "",
    parameters: Annotated[str, typer.Option(help="What that network is made with, as a JSON object.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Fetch and add it without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Add a model of another tool: nnU-Net, MONAI, ONNX, TorchScript, bioimage.io, weights, or a MedDL card."""
    from .models_add import run_add

    run_add(Terminal(as_json=as_json), source, name=name, network=network, parameters=parameters, is_confirmed=yes)


@models.command("verify")
def models_verify(name: str, as_json: Json = False) -> None:
    """Run a model's check case in every precision, and tell what the faster ones change."""
    from .models_verify import run_verify

    run_verify(Terminal(as_json=as_json), name)


@models.command("export")
def models_export(
    name: str,
    target: Annotated[Path, typer.Argument(help="Folder or .zip to write; it must not be there yet.")],
    form: Annotated[
        Literal["card", "bundle"], typer.Option("--format", help="A MedDL card with its weights, or a MONAI bundle.")
    ] = "card",
    as_json: Json = False,
) -> None:
    """Write a model out for another MedDL, or for MONAI."""
    from .models_export import run_export

    run_export(Terminal(as_json=as_json), name, target, form=form)


@models.command("remove")
def models_remove(
    name: str,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a model's downloaded weights; one that you added goes as a whole."""
    from .models import run_remove

    run_remove(Terminal(as_json=as_json), name, is_confirmed=yes)


@models.command("trust")
def models_trust(name: str, yes: Yes = False, as_json: Json = False) -> None:
    """Say yes to the code in a TorchScript model of your own."""
    from .models import run_trust

    run_trust(Terminal(as_json=as_json), name, is_confirmed=yes)


@environment.command("check")
def environment_check(
    build: Build = "",
    wheelhouse: Wheelhouse = None,
    index_url: Index = "",
    torch_index_url: TorchIndex = "",
    as_json: Json = False,
) -> None:
    """What speaks for and against installing here, and what is installed."""
    from ..environment.install import Sources
    from .environment import run_check

    sources = Sources(index_url, torch_index_url, wheelhouse)
    raise typer.Exit(run_check(Terminal(as_json=as_json), build, sources))


@environment.command("repair", help="Build the environment anew, then switch to it.")
@environment.command("install", help="Put PyTorch and what else the worker needs into a folder of MedDL's own.")
def environment_install(
    context: typer.Context,
    build: Build = "",
    wheelhouse: Wheelhouse = None,
    index_url: Index = "",
    torch_index_url: TorchIndex = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Install or repair: one command under two names."""
    from ..environment.install import Sources
    from .environment import run_install

    sources = Sources(index_url, torch_index_url, wheelhouse)
    is_repair = context.info_name == "repair"
    run_install(Terminal(as_json=as_json), build, sources, is_repair=is_repair, is_confirmed=yes)


@environment.command("verify")
def environment_verify(as_json: Json = False) -> None:
    """Compare every file with its hash, and compute with torch."""
    from .environment import run_verify

    run_verify(Terminal(as_json=as_json))


@environment.command("remove")
def environment_remove(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before removing.")] = False,
    as_json: Json = False,
) -> None:
    """Remove the environment."""
    from .environment import run_remove

    run_remove(Terminal(as_json=as_json), is_confirmed=yes)


@environment.command("python")
def environment_python(program: Annotated[str, typer.Argument(help="Another Python.")], as_json: Json = False) -> None:
    """Whether another Python can be the worker."""
    from .environment import run_python

    raise typer.Exit(run_python(Terminal(as_json=as_json), program))


@environment.command("report")
def environment_report(
    file: Annotated[Path, typer.Argument(help="Text file to write.")],
    worker_log: Annotated[
        Path | None, typer.Option(help="Log of a worker; only lines of known forms are taken.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a bug report that holds no names of files or patients."""
    from .environment import run_report

    run_report(Terminal(as_json=as_json), file, worker_log)
