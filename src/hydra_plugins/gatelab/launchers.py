"""Where the jobs of a multirun run at the same time: processes of this machine, SLURM, or Ray.

A job whose process died (killed, out of memory, preempted) is started again and resumes from its last checkpoint; that one
job's death touches no other.
"""

import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from gatelab.sweeps.outcome import Outcome, interrupted_line, job_line

SECONDS_TO_BE_ENDED = 3600  # the longest grace that a cluster is likely to give


@dataclass
class Call:
    """One job, to be called in another process; returns its Outcome."""

    number: int
    overrides: list[str]
    hydra_context: HydraContext
    config: DictConfig
    task_function: TaskFunction
    singletons: Any
    folder: str
    path: list[str]
    quiet: bool  # where the process writes to the same screen as all others

    def __call__(self) -> Outcome:
        from gatelab.errors import Interrupted
        from gatelab.runs.secrets import redact_text
        from gatelab.screen import console

        console.quiet = self.quiet
        os.chdir(self.folder)
        sys.path[:] = self.path
        setup_globals()
        Singleton.set_state(self.singletons)
        config = self.hydra_context.config_loader.load_sweep_config(self.config, self.overrides)
        with open_dict(config):
            config.hydra.job.id = config.hydra.job.num = self.number
        try:
            return run_job(
                hydra_context=self.hydra_context,
                task_function=self.task_function,
                config=config,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            ).return_value
        except Interrupted as stopped:
            return Outcome("interrupted", stopped.exit_code)
        except Exception as error:  # on the way to the job, which lets none out
            return Outcome("failed", 1, redact_text(f"{type(error).__name__}: {error}").split("\n")[0])


class ParallelLauncher(Launcher):
    """What the launchers below have in common. They say in run_calls where calls run."""

    extra = ""  # the optional dependency that brings what the launcher needs
    quiet = False

    def __init__(self, retries: int, **options: Any) -> None:
        """retries: how often a job whose process died is started again. options: as in conf/hydra/launcher."""
        self.retries = retries
        self.options: dict[str, Any] = OmegaConf.to_container(OmegaConf.create(options))  # type: ignore[assignment]

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.task_function, self.config = hydra_context, task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        from gatelab.errors import ConfigError, Interrupted
        from gatelab.runs.shell import command
        from gatelab.screen import console

        calls = [self.call(number, list(overrides)) for number, overrides in enumerate(job_overrides, initial_job_idx)]
        in_all = set.intersection(*map(set, job_overrides)) if len(calls) > 1 else set()
        outcomes: dict[int, Outcome] = {}
        if initial_job_idx == 0 and len(calls) > 1:
            watch = command("runs", self.config.name, "--watch", output_dir=self.config.output_dir)
            console.print(f"{len(calls)} jobs; {watch} shows them as they train", soft_wrap=True)
        try:
            for call, outcome in self.run_calls(calls):
                outcomes[call.number] = outcome
                line = job_line(outcome, [text for text in call.overrides if text not in in_all])
                console.print(f"{len(outcomes)}/{len(calls)}  {line}", soft_wrap=True)
        except KeyboardInterrupt:
            root, name = self.config.output_dir, self.config.name
            console.print(interrupted_line(Path(root, name), name, root), soft_wrap=True)
            raise Interrupted(signal.SIGINT) from None
        except ImportError as error:
            name = self.config.hydra.runtime.choices["hydra/launcher"]
            raise ConfigError(
                f"hydra/launcher={name} needs {error.name}: pip install 'gatelab[{self.extra}]'."
            ) from None
        return [job_return(outcomes[call.number]) for call in calls]

    def call(self, number: int, overrides: list[str]) -> Call:
        return Call(
            number, overrides, self.hydra_context, self.config, self.task_function, Singleton.get_state(),
            os.getcwd(), sys.path, self.quiet,
        )  # fmt: skip

    def run_calls(self, calls: list[Call]) -> Iterator[tuple[Call, Outcome]]:
        """Each call with its outcome, as they end."""
        raise NotImplementedError

    def end(self) -> None:
        """Let go of what is kept from one run_calls to the next."""

    def again(self, call: Call, deaths: int, reason: str) -> bool:
        """Whether a call whose process died for the deaths-th time is to be started again; says so."""
        from gatelab.screen import console

        if deaths > self.retries:
            return False
        console.print(f"job {call.number} died ({reason}); it resumes from its last checkpoint", soft_wrap=True)
        return True


def job_return(outcome: Outcome) -> JobReturn:
    result = JobReturn(status=JobStatus.COMPLETED)
    result.return_value = outcome
    return result


def died(reason: str) -> Outcome:
    return Outcome("failed", 1, f"its process died: {reason}")


class JoblibLauncher(ParallelLauncher):
    """n_jobs worker processes of this machine, each with its part of the cores and, where there are some, one GPU.

    A thread has one process, which ends with it. Both stay for the next trials of a search, since the imports of a new
    process take seconds.
    """

    extra, quiet = "joblib", True
    threads: ThreadPoolExecutor | None = None

    def run_calls(self, calls: list[Call]) -> Iterator[tuple[Call, Outcome]]:
        from joblib.externals.loky import ProcessPoolExecutor

        from gatelab.training.processes import SECONDS_TO_SAVE, detach, share_machine, terminate

        if self.threads is None:
            environments = share_machine(self.options["n_jobs"])
            self.worker, self.executors = threading.local(), list[Any]()
            self.threads = ThreadPoolExecutor(
                len(environments), initializer=lambda: setattr(self.worker, "environment", environments.pop())
            )
        stopping = threading.Event()

        def submit(call: Call) -> Any:
            if getattr(self.worker, "executor", None) is None:
                self.worker.executor = ProcessPoolExecutor(1, env=self.worker.environment, initializer=detach)
                self.executors.append(self.worker.executor)
            return self.worker.executor.submit(call)

        def run(call: Call) -> tuple[Call, Outcome]:
            for deaths in range(1, self.retries + 2):
                if stopping.is_set():
                    break
                try:
                    return call, submit(call).result()
                except BrokenExecutor as error:
                    self.worker.executor, reason = None, str(error).split("\n")[0].rstrip(". ")
                    if not stopping.is_set() and not self.again(call, deaths, reason):
                        return call, died(reason)
            return call, Outcome("interrupted", 130)

        futures = [self.threads.submit(run, call) for call in calls]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:  # at the end there is nothing to stop; after Ctrl-C the runs under way are saved first
            stopping.set()
            if not all(future.done() for future in futures):
                for future in futures:
                    future.cancel()
                terminate(process for executor in self.executors for process in (executor._processes or {}).values())
                wait([future for future in futures if not future.cancelled()], SECONDS_TO_SAVE)
                self.end()

    def end(self) -> None:
        if self.threads is not None:
            for executor in self.executors:
                executor.shutdown(kill_workers=True)
            self.threads.shutdown()
            self.threads = None


class SubmititLauncher(ParallelLauncher):
    """SLURM jobs; with cluster: local, processes of this machine that are handled in the same way."""

    extra = "submitit"
    poll_seconds = 0.2

    def run_calls(self, calls: list[Call]) -> Iterator[tuple[Call, Outcome]]:
        import submitit

        executor = submitit.AutoExecutor(self.options["folder"], cluster=self.options["cluster"])
        executor.update_parameters(**self.options["parameters"])
        at_once = self.options["n_jobs"] or len(calls)
        waiting, running, deaths = list(calls), dict[int, tuple[Call, Any]](), Counter[int]()
        while waiting or running:
            batch, waiting = waiting[: at_once - len(running)], waiting[at_once - len(running) :]
            if batch:
                jobs = executor.map_array(Requeueable(), batch)
                running |= {call.number: (call, job) for call, job in zip(batch, jobs, strict=True)}
            for call, job in list(running.values()):
                if not job.done():
                    continue
                del running[call.number]
                outcome = result_of(job)
                if isinstance(outcome, str):
                    deaths[call.number] += 1
                    if self.again(call, deaths[call.number], outcome):
                        waiting.append(call)
                        continue
                    outcome = died(outcome)
                yield call, outcome
            time.sleep(self.poll_seconds)


class Requeueable:
    """What submitit runs; when SLURM is about to take the node away, the same call is queued again."""

    def __call__(self, call: Call) -> Outcome:
        outcome = call()
        if outcome.kind == "interrupted" and "SLURM_JOB_ID" in os.environ:
            # SLURM queues a job again that it has to end, and takes one that ends by itself for done.
            time.sleep(SECONDS_TO_BE_ENDED)
        return outcome

    def checkpoint(self, call: Call) -> Any:
        import submitit

        return submitit.helpers.DelayedSubmission(self, call)


def result_of(job: Any) -> Outcome | str:
    """The outcome of an ended job of submitit's, or a sentence where it has none. Its pickled call is removed."""
    import submitit
    from submitit.core.utils import FailedJobError, UncompletedJobError

    try:
        if isinstance(job, submitit.LocalJob) and not job.paths.result_pickle.exists():
            return f"no result, log {job.paths.stderr}"  # submitit would wait 15 s for the disk of another machine
        return job.result()
    except (UncompletedJobError, FailedJobError):
        return f"{job.state.lower()}, log {job.paths.stderr}"
    finally:
        job.paths.submitted_pickle.unlink(missing_ok=True)  # it may hold what no file should keep


class RayLauncher(ParallelLauncher):
    """Tasks of a Ray cluster, by default one on this machine for the time of the multirun."""

    extra = "ray"

    def run_calls(self, calls: list[Call]) -> Iterator[tuple[Call, Outcome]]:
        import ray

        started = not ray.is_initialized()
        if started:
            ray.init(**self.options["init"])
        try:
            task = ray.remote(run_call).options(max_retries=self.retries, **self.options["remote"])
            running = {task.remote(call): call for call in calls}
            while running:
                (ended,), _ = ray.wait(list(running))
                call = running.pop(ended)
                try:
                    yield call, ray.get(ended)
                except ray.exceptions.RayError as error:
                    yield call, died(str(error).strip().split("\n")[0])
        finally:
            if started:
                ray.shutdown()


def run_call(call: Call) -> Outcome:
    return call()
