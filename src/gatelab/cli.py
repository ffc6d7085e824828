"""The commands. Heavy modules are imported on use."""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from gatelab.commands.arguments import Commands, TextCommand, with_options
from gatelab.screen import console, format_warning, tolerate_streams, user_errors

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

UNLIMITED = 10_000  # characters of a line in a file or pipe
OutputDir = Annotated[Path, typer.Option("--output-dir", help="Root of the run folders.")]
AllowTargets = Annotated[
    list[str] | None,
    typer.Option("--allow-targets", metavar="MODULE", help="A module of your own that the run's model is built from."),
]
Places = Annotated[
    list[str] | None, typer.Argument(metavar="[OVERRIDES]...", help="Current places, such as data.path=FILE.")
]
TextColumns = Annotated[
    list[str] | None, typer.Option(help="The column of the text, if not that of the training. Several are joined.")
]
Encoding = Annotated[str | None, typer.Option(help="Of the table, for example cp1252.")]
Delimiter = Annotated[
    str | None,
    typer.Option(help="For example ';'; or \\t for tabs.", callback=lambda given: "\t" if given == "\\t" else given),
]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Whether the first row names the columns.")]
Columns = Annotated[
    str | None, typer.Option(metavar="NAME,NAME", help="Names for the columns of a file without a header.")
]
RunName = Annotated[
    str,
    typer.Argument(
        metavar="RUN", help="The first digits of an identity, NAME/DIGITS, latest, NAME/latest, or a run folder."
    ),
]


def show_version(asked: bool) -> None:
    if asked:
        from gatelab import __version__

        print(f"gatelab {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Experiments with recurrent networks on text: train, look, predict, compare."""


def complete_override(incomplete: str) -> list[str]:
    from gatelab.commands.train import completions

    # bash treats = as a word of its own, so that the key, and perhaps the =, are among the previous words.
    words = os.environ.get("COMP_WORDS", "").split()[: int(os.environ.get("COMP_CWORD", 0)) + 1]
    if "=" in words[-2:]:
        prefix = f"{words[words.index('=', len(words) - 2) - 1]}="
        return [found.removeprefix(prefix) for found in completions(prefix + incomplete)]
    return completions(incomplete)


Overrides = Annotated[list[str] | None, typer.Argument(metavar="[OVERRIDES]...", autocompletion=complete_override)]


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
    short_help="Train one run, or many with -m.",
)
def train(overrides: Overrides = None) -> None:
    """Train one run, or many with -m. All of Hydra: gatelab train --help lists every key."""
    from gatelab.commands.train import run_hydra

    with user_errors():
        sys.exit(run_hydra(overrides or []))


@app.command()
def show(run: RunName, output_dir: OutputDir = Path("outputs")) -> None:
    """Show one run on one screen: settings, metrics, provenance.

    [dim]gatelab show 3f9c[/]   [dim]gatelab show first_sweep/3f9c[/]   [dim]gatelab show latest[/]
    """
    from gatelab.commands.show import show as show_run

    with user_errors():
        show_run(run, output_dir)


@app.command()
def note(
    run: RunName,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help='The new note; "" for none.')] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG,TAG", help="Tags to add.")] = None,
    untag: Annotated[list[str] | None, typer.Option("--untag", metavar="TAG,TAG", help="Tags to take away.")] = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Show or change the note and the tags of a run, also while it is running. They are no part of its identity.

    [dim]gatelab note 3f9c "diverged after the warm-up" --tag broken,paper[/]
    """
    from gatelab.commands.note import note_run

    added, taken = ([tag for word in words or () for tag in word.split(",") if tag] for words in (tag, untag))
    with user_errors():
        note_run(run, output_dir, text, tags=added, untags=taken)


@app.command("rm")
def remove(
    what: Annotated[
        list[str], typer.Argument(metavar="WHAT...", help="Runs as for predict, or names, each with all of its runs.")
    ],
    archive: Annotated[
        bool,
        typer.Option("--archive", help="Move them to outputs/.archive, out of all lists, in place of deleting them."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Delete runs with all of their files, or archive them. Asks first, and refuses runs that are running.

    Archived runs are listed by gatelab runs --output-dir outputs/.archive; mv brings one back.

    [dim]gatelab rm 3f9c 81ab[/]   [dim]gatelab rm old_sweep --archive[/]
    """
    from gatelab.commands.remove import remove as remove_runs

    with user_errors():
        remove_runs(what, output_dir, archive=archive, yes=yes)


@app.command("find-lr")
def find_lr(
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="An .svg or .pdf.")] = Path("find_lr.svg"),
    low: Annotated[float, typer.Option("--min", help="The first rate.")] = 1e-6,
    high: Annotated[float, typer.Option("--max", help="The last.")] = 1.0,
    steps: Annotated[int, typer.Option(min=20, help="Batches, at a rate each.")] = 100,
    output_dir: Annotated[Path | None, typer.Option("--output-dir", help="Where the run of from= is.")] = None,
) -> None:
    """Propose a learning rate for the run of these overrides, and draw the curve that it is read from.

    Trains a few batches at rates that grow from step to step (Smith 2017), and takes the one at which the loss falls fastest.
    No run folder is made.

    [dim]gatelab find-lr encoder=gated data=csv data.path=reviews.csv[/]
    """
    from gatelab.commands.find_lr import find_lr as find
    from gatelab.commands.train import root_override

    with user_errors():
        root = [] if output_dir is None else [root_override(output_dir)]
        find([*(overrides or []), *root], out, low=low, high=high, num_steps=steps)


@app.command(cls=TextCommand)
def predict(
    run: RunName,
    texts: Annotated[list[str] | None, typer.Argument(metavar="[TEXT]...", help="Texts to predict for.")] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="A table of any kind in docs/data.md; - reads standard input."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the predictions of --csv go; - prints them.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write the table's own columns beside the prediction.")] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Also the weight of each token, of a run with model.pooling=attention.")
    ] = False,
    text: TextColumns = None,
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    header: Header = None,
    columns: Columns = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Predict the class, number or labels of texts, or of the rows of a table, with a finished run; of a language model their
    loss and perplexity.

    [dim]gatelab predict 3f9c "I expected a bore and got a gem" "-5 stars"[/]

    [dim]gatelab predict 3f9c --csv new.csv --keep --out predictions.csv[/]

    [dim]zcat new.jsonl.gz | gatelab predict 3f9c --csv - --out -[/]
    """
    from gatelab.commands.predict import predict_table, predict_texts
    from gatelab.data.formats.records import Reading

    with user_errors(with_options):
        reading = Reading(encoding, delimiter, header, columns.split(",") if columns else None)
        if (csv is None) == (not texts):
            raise typer.BadParameter('give texts ("…" "…") or --csv FILE --out FILE, one of the two')
        if csv is not None and out is None:
            raise typer.BadParameter("--csv needs --out FILE for the predictions; --out - prints them")
        if csv is None and (out or keep or text or reading != Reading()):
            raise typer.BadParameter("--out, --keep, --text and what says how a table is read go with --csv FILE")
        if csv is None:
            predict_texts(run, output_dir, texts or [], attention=attention, allow_targets=allow_targets or ())
        elif out is not None:
            predict_table(
                run,
                output_dir,
                csv,
                out,
                text=text or (),
                keep=keep,
                attention=attention,
                reading=reading,
                allow_targets=allow_targets or (),
            )


@app.command()
def generate(
    run: RunName,
    prompt: Annotated[str, typer.Option(help="What the text begins with; without it a new line begins.")] = "",
    temperature: Annotated[
        float, typer.Option(min=0, max=100, help="Below 1 likely tokens are likelier; 0 always takes the likeliest.")
    ] = 0.8,
    seed: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="The same text again.")] = None,
    length: Annotated[int, typer.Option(min=1, help="In tokens of the model.")] = 500,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Write text with a finished language model, as it is made.

    [dim]gatelab generate 3f9c --prompt "The keys" --temperature 0.5 --seed 1[/]
    """
    from gatelab.commands.generate import generate as generate_text

    with user_errors():
        generate_text(
            run, output_dir, prompt=prompt, temperature=temperature, seed=seed, length=length, allow_targets=allow_targets or ()
        )  # fmt: skip


@app.command()
def agreement(
    run: RunName,
    pairs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of pairs; without it those of the generated text.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="A CSV with the losses of each pair.")] = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Tell how often a language model finds the right form of a verb likelier than the wrong one, by attractors.

    A line of FILE has what stands before the verb, the right form, the wrong form and the number of attractors, with tabs between
    them; NAME.gold beside NAME.text and NAME.tab are read as Gulordava et al. publish them.

    [dim]gatelab agreement 3f9c --pairs subj_agr_filtered.gold[/]
    """
    from gatelab.commands.verb_agreement import agreement as measure

    with user_errors():
        measure(run, output_dir, pairs, out, allow_targets=allow_targets or ())


@app.command()
def evaluate(
    run: RunName,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="A labelled table of any kind in docs/data.md.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="FILE", help="A plain text, for a language model.")
    ] = None,
    text: TextColumns = None,
    label: Annotated[
        list[str] | None, typer.Option(help="The column of the label, likewise; several for several labels.")
    ] = None,
    encoding: Encoding = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Test a finished run on another labelled table, or a language model on another text: all metrics, predictions and a page.

    Rows with a label that is no class of the run are counted and left out. The files are in RUN/evaluations/.

    [dim]gatelab evaluate 3f9c --csv new.csv[/]

    [dim]gatelab evaluate 3f9c --file new.txt[/]
    """
    from gatelab.commands.evaluate import evaluate as evaluate_run

    with user_errors():
        evaluate_run(
            run,
            output_dir,
            table=csv,
            plain_text=file,
            text=text or (),
            label=label or (),
            encoding=encoding,
            allow_targets=allow_targets or (),
        )


@app.command(cls=TextCommand)
def gates(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN… [TEXT]", help="Runs, by digits of an identity and so on, and what they read."),
    ],
    text: Annotated[
        str | None, typer.Option("--text", help="What the models read, where several runs are named.")
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="All units of a gate or state: forget_gate, cell, or l0_reverse.hidden."),
    ] = None,
    order: Annotated[
        Literal["weight", "activity", "number"],
        typer.Option(
            help="Of units: by weight in the decision, by how far their state moves over many texts, or by number."
        ),
    ] = "weight",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="A .svg, .pdf or .png; the numbers go beside it as .npz."),
    ] = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Draw the gates of a finished run as it reads a text, token by token.

    The prediction after each token, integrated gradients, the mean of every gate over its units, and the cell state of the units that
    contribute most; of several runs side by side, with --units every unit of a gate or state. Without a text: how often each unit is shut and
    open over the validation texts. All numbers are in the .npz; no earlier picture is replaced.

    [dim]gatelab gates 3f9c "I expected a bore and got a gem" --out gem.svg[/]

    [dim]gatelab gates 3f9c 81ab --text "I expected a bore and got a gem"[/]
    """
    from gatelab.commands.gates import draw_saturation, draw_text

    allowed = allow_targets or ()
    if text is None and len(runs) > 1:
        *runs, text = runs
    with user_errors():
        if text is None:
            draw_saturation(runs[0], output_dir, allow_targets=allowed)
        else:
            draw_text(runs, output_dir, text, out, units=units or (), order=order, allow_targets=allowed)


@app.command()
def gradients(
    run: RunName, overrides: Places = None, allow_targets: AllowTargets = None, output_dir: OutputDir = Path("outputs")
) -> None:
    """Draw how far the gradient of a finished run reaches back in time.

    The norm of the loss's derivative with respect to the state after each step of a training batch, through all steps that follow, with the
    weights that training began with and with those it chose. Any cell that reads from left to right, any task.

    [dim]gatelab gradients 3f9c[/]
    """
    from gatelab.commands.draw_gradients import draw_gradients

    with user_errors():
        draw_gradients(run, output_dir, overrides or (), allow_targets=allow_targets or ())


@app.command()
def export(
    run: RunName,
    onnx: Annotated[Path | None, typer.Option("--onnx", metavar="FILE", help="As ONNX.")] = None,
    torch: Annotated[Path | None, typer.Option("--torch", metavar="FILE", help="As torch.export's .pt2.")] = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Export the model of a finished run for other programs.

    A graph of tokens (B, T) and lengths (B,), int64, to predictions (B, K), for any number of rows and tokens; of a language
    model one of tokens and state to the log-probabilities of the next tokens (B, T, V) and the state after them. The ONNX
    file is held against torch in onnxruntime before it is put in its place; it needs pip install 'gatelab\\[onnx]'.

    [dim]gatelab export 3f9c --onnx model.onnx[/]

    [dim]gatelab export 3f9c --torch model.pt2[/]
    """
    from gatelab.commands.export_model import export as export_run

    with user_errors():
        if onnx is None and torch is None:
            raise typer.BadParameter("give --onnx FILE or --torch FILE, or both")
        export_run(run, output_dir, onnx=onnx, torch_file=torch, allow_targets=allow_targets or ())


@app.command()
def cell(
    name: Annotated[str, typer.Argument(metavar="CELL", help="A shipped one, or MODULE.CLASS of your own.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="What the cell is made with.")
    ] = None,
    input_size: Annotated[int, typer.Option(min=1, help="Of the parameters that are counted.")] = 128,
    hidden_size: Annotated[int, typer.Option(min=1, help="Likewise.")] = 128,
) -> None:
    """Print a cell's equations and check them.

    Gradients against finite differences, the fused loop against the equations step by step, ragged rows against each by
    itself; parameters, and its time beside nn.LSTM on this machine. Exit code 1 where a check fails.

    [dim]gatelab cell mine.MyCell[/]

    [dim]gatelab cell LSTM coupled=input peepholes=true[/]
    """
    from gatelab.commands.check_cell import check_cell

    with user_errors():
        sys.exit(0 if check_cell(name, settings or [], input_size, hidden_size) else 1)


@app.command()
def reproduce(
    run: RunName,
    overrides: Places = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Number of threads; by default that of the recorded run.")
    ] = None,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Run a finished run again from its own record and compare.

    Says identical, or which file, step and number differ first, and which recorded conditions (data, code, versions,
    hardware, threads) differ. Exit code 0 only for identical.

    [dim]gatelab reproduce 3f9c data.path=elsewhere/reviews.csv[/]
    """
    from gatelab.commands.reproduce import reproduce as run_again

    with user_errors():
        same = run_again(run, output_dir, overrides or [], threads=threads, allow_targets=allow_targets or ())
        sys.exit(0 if same else 1)


@app.command()
def report(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="A run as for predict, or the name of several.")],
    by: Annotated[
        list[str] | None, typer.Option("--by", metavar="KEY,KEY", help="Of a name: what defines an arm.")
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", metavar="NAME,NAME", help="Of a name: unless given, macro_f1, accuracy."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="ARM", help="Of a name: what the others are compared with.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Of an experiment: also NAME.md with its picture, and README.md of all results."
        ),
    ] = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Write report.html and the figures of a run, finished or not, or of all runs of a name.

    One page that needs no network. Of a run: the test beside its baselines, learning curves, confusions, calibration, selected
    examples, data, gates, how to reproduce it. Of a name: arms with intervals, every seed, learning curves, importance of
    the swept keys, where arms disagree, failures. figures/ holds them as .svg and .pdf.

    [dim]gatelab report 3f9c[/]

    [dim]gatelab report first_sweep --by encoder[/]

    [dim]gatelab report adding --results experiments/results[/]
    """
    from gatelab.commands.report import write

    with user_errors():
        write(what, output_dir, by=by, metrics=metric, reference=reference, results=results)


@app.command()
def ui(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8000,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    allow_targets: AllowTargets = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Show all runs in a browser: a table to filter and sort, the report of each run, comparisons of selected runs.

    Serves the output folder only to this machine and to who has the printed address, and writes nothing. On the page of a finished
    run, its model reads what you type.

    [dim]gatelab ui --open[/]
    """
    from gatelab.commands.ui import serve

    with user_errors():
        serve(output_dir, port, open_browser=open_browser, allow_targets=allow_targets or ())


@app.command()
def data(
    file: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="A table of any kind in docs/data.md; several are one.")
    ],
    text: Annotated[
        list[str] | None, typer.Option(help="The column of the text; found by name and content. Several are joined.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="The column of the label; found likewise. Several with --model multi_label."),
    ] = None,
    model: Annotated[
        Literal["classifier", "regressor", "multi_label"],
        typer.Option(help="Read the label as training with model= does: a class, a number or several labels."),
    ] = "classifier",
    encoding: Encoding = None,
    delimiter: Delimiter = None,
    header: Header = None,
    columns: Columns = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Tokenize as training with tokenizer=KIND does: word, char, bpe, unigram, or a saved tokenizer.json.",
        ),
    ] = None,
) -> None:
    """Inspect a table before training on it.

    Encoding, columns, rows, rejects by line, labels, lengths, duplicates, texts with conflicting labels, and how much of
    a random test set would be in the training set. --tokenizer adds the vocabulary, unknown tokens and lengths in tokens.

    [dim]gatelab data reviews.csv --tokenizer bpe[/]
    """
    from gatelab.data.inspect import TARGETS, inspect_table

    table: dict[str, Any] = {"text": text, "label": label[0] if label and len(label) == 1 else label, "encoding": encoding, "delimiter": delimiter,
             "header": header, "columns": columns.split(",") if columns else None}  # fmt: skip
    with user_errors(with_options):
        for part in inspect_table(file, targets=TARGETS[model], **table):
            console.print(with_options(part) if isinstance(part, str) else part, soft_wrap=isinstance(part, str))
        if tokenizer is not None:
            from gatelab.commands.count_tokens import count_tokens

            counts = count_tokens(file, tokenizer, model, **table)
            for title, line in zip(("tokens", "a text has"), counts, strict=True):
                console.print(f"{title:<10} {line}", soft_wrap=True)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove what no running process uses.")] = False,
    cache_dir: Annotated[Path, typer.Option("--cache-dir", metavar="FOLDER", help="That of data.cache_dir.")] = Path(
        "~/.cache/gatelab"
    ),
) -> None:
    """Show what the data cache holds, or empty it.

    rows: the texts of a file and their words; prepared: the tokens of one split. Both are made again when they are needed.
    data.cache_gib limits them: those that were used longest ago are removed by themselves.

    [dim]gatelab cache --clear[/]
    """
    from gatelab.commands.data_cache import clear_cache, show_cache

    with user_errors():
        (clear_cache if clear else show_cache)(cache_dir)


@app.command()
def runs(
    name: Annotated[str | None, typer.Argument(help="Only the runs of this name.")] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Means and spreads over the seeds of each arm.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="A live table until no run is running.")] = False,
    seconds: Annotated[float, typer.Option(min=0.1, help="Between two updates of --watch.")] = 2.0,
    sort: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="By a metric, a setting, started, seconds, …; -KEY the other way round."),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="All settings and metrics; - prints it.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Likewise.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", metavar="TAG,TAG", help="Only runs with all of these.")
    ] = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """List finished, interrupted and failed runs with their test metrics, best first; or --watch them train.

    [dim]gatelab runs gop_debate --mean[/]

    [dim]gatelab runs first_sweep --watch[/]

    [dim]gatelab runs --sort -optimizer.lr --csv runs.csv[/]
    """
    from gatelab.reports.terminal.run_list import means_table, runs_table
    from gatelab.runs.folder import all_runs
    from gatelab.runs.run_notes import read_notes

    with user_errors():
        if watch and mean:
            raise typer.BadParameter(
                "--watch shows runs as they train, --mean those that are finished: give one of the two"
            )
        if (watch or mean) and (sort or csv or json):
            raise typer.BadParameter("--sort, --csv and --json are for a line a run, without --mean and --watch")
        if watch and tag:
            raise typer.BadParameter("--watch shows all runs of a name: leave --tag out")
        if watch:
            from gatelab.reports.terminal.watch import watch_runs

            watch_runs(output_dir, name, seconds, console)
            return
        tags = {each for word in tag or () for each in word.split(",") if each}
        folders = [folder for folder in all_runs(output_dir, name) if not tags or tags <= set(read_notes(folder).tags)]
        if not folders:
            where = str(output_dir / name if name else output_dir) + (
                f" with {', '.join(sorted(tags))}" if tags else ""
            )
            console.print(f"No runs in {where}. gatelab train makes one; --output-dir names another place.")
            return
        if csv or json:
            from gatelab.commands.export_runs import export_runs

            export_runs(folders, sort, csv, json)
        else:
            width = console.width if console.is_terminal else None
            table = means_table(folders, width) if mean else runs_table(folders, width, sort)
            console.print(table, width=width or UNLIMITED)


@app.command(short_help="Compare arms over their seeds or folds: means, intervals, paired tests.")
def compare(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="The runs of these names.")],
    by: Annotated[
        list[str] | None,
        typer.Option("--by", metavar="KEY,KEY", help="Keys or groups of the config that define an arm."),
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", metavar="NAME,NAME", help="Unless given, accuracy and macro_f1.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="ARM", help="What the others are compared with.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Full precision; - prints it.")] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="For GitHub; - prints it.")
    ] = None,
    latex: Annotated[Path | None, typer.Option("--latex", metavar="FILE", help="With booktabs; - prints it.")] = None,
    output_dir: OutputDir = Path("outputs"),
) -> None:
    """Compare arms over their seeds or folds: means, intervals, paired tests.

    An arm is a group of runs that differ only in the seed or the fold. --by encoder groups by the encoder and its settings that differ,
    --by optimizer.lr,data.split.by by two keys, --by name by sweep; what else differs is pooled, with a note below the table.
    The default is all settings that differ.

    The reference is the first arm of the sweep; --reference encoder=gru takes another, --reference linear the linear baseline
    of each arm. It is listed first, then the other arms from best to worst in the first metric, then the baselines.

    A metric is any number in the metrics of run.json (auroc, per_class.positive.f1, …), or validation/macro_f1.

    [dim]gatelab compare first_sweep --by encoder --latex table.tex[/]
    """
    from gatelab.commands.compare import compare_runs

    with user_errors():
        compare_runs(
            names, output_dir, by=by, metrics=metric, reference=reference, csv=csv, markdown=markdown, latex=latex
        )


@app.command()
def schema(
    group: Annotated[
        str | None,
        typer.Argument(
            metavar="[GROUP]", help="encoder, data, …; without one, that of experiments and complete configs."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where it goes, else it is printed.")
    ] = None,
) -> None:
    """Write the JSON Schema of the configs, with which an editor completes and checks their keys.

    [dim]gatelab schema --out experiment.schema.json[/]

    [dim]gatelab schema encoder --out encoder.schema.json[/]
    """
    from gatelab.commands.schema_file import write_schema

    with user_errors():
        write_schema(group, out)


def main() -> None:
    """The console script. Ctrl-C ends with exit code 130 and no traceback."""
    tolerate_streams()
    warnings.formatwarning = format_warning
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
