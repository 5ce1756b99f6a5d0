from __future__ import annotations

import itertools
import socket
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from glioma_annotator.domain.model_card import ModelCard
from glioma_annotator.errors import Cancelled, UserError
from glioma_annotator.inference import openvino_library, openvino_runner
from glioma_annotator.inference.cards import WEIGHTS
from glioma_annotator.inference.ir_cache import KEPT, Converted, key_of, load_or_make
from glioma_annotator.inference.model_folder import save_model
from glioma_annotator.inference.networks import SegmentationNetwork, build_network
from glioma_annotator.inference.openvino_runner import MARGIN, OpenVinoRunner, _Ending, slab_length, slabs
from glioma_annotator.progress import CancelToken, Progress, ignore_progress

PLENTY = 2.0**40


@pytest.fixture
def deep_network() -> SegmentationNetwork:
    """Three levels, so that there is a level between the finest and the deepest."""
    torch.manual_seed(3)
    network = build_network("residual-inception-unet", {"filters": [4, 6, 8], "branch_fraction": 0.5}, 3, 5)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
    return network.eval()


@pytest.fixture
def deep_card(card: ModelCard) -> ModelCard:
    return replace(card, name="deep", parameters={"filters": [4, 6, 8], "branch_fraction": 0.5})


def made(
    folder: Path, card: ModelCard, network: SegmentationNetwork, cache: Path, exact: bool = True
) -> OpenVinoRunner:
    card = save_model(folder / card.name, card, network, half=False)
    runner = OpenVinoRunner(folder / card.name, card, cache)
    if exact:  # as on a processor without bfloat16
        runner = _in_float32(runner, folder / card.name, card, cache)
    return runner


def _in_float32(runner: OpenVinoRunner, folder: Path, card: ModelCard, cache: Path) -> OpenVinoRunner:
    class Plain:
        """A processor that computes in float32 only."""

        def __init__(self, core: Any) -> None:
            self._core = core

        def get_property(self, *_: object) -> list[str]:
            return ["FP32"]

        def __getattr__(self, name: str) -> Any:
            return getattr(self._core, name)

    openvino = openvino_library.import_openvino()
    real = openvino.Core
    try:
        openvino.Core = lambda: Plain(real())
        return OpenVinoRunner(folder, card, cache)
    finally:
        openvino.Core = real


def images_of(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(3, *shape)).astype(np.float32)


def expected(network: SegmentationNetwork, images: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    with torch.inference_mode():
        features = network.features(torch.from_numpy(images)[None])
        return torch.softmax(network.head(features)[0], dim=0).numpy(), features[0].numpy()


def test_the_answer_is_the_network_s_softmax_and_features(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    runner = made(tmp_path, deep_card, deep_network, network_cache)
    images = images_of((24, 16, 12))
    block = runner.run(images, True, PLENTY, ignore_progress, CancelToken())
    softmax, features = expected(deep_network, images)
    np.testing.assert_allclose(block.softmax, softmax, atol=1e-5)
    assert block.features is not None and block.features.dtype == np.float16
    np.testing.assert_allclose(block.features, features, rtol=2e-3, atol=2e-3)
    without = runner.run(images, False, PLENTY, ignore_progress, CancelToken())
    assert without.features is None
    np.testing.assert_allclose(without.softmax, softmax, atol=1e-5)
    assert "float32" in runner.name


def test_slabs_give_the_same_as_the_whole_because_they_overlap_by_what_the_finest_level_sees(
    tmp_path: Path,
    deep_card: ModelCard,
    deep_network: SegmentationNetwork,
    network_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openvino_runner, "SLAB_VOXELS", 20 * 12 * 12)
    runner = made(tmp_path, deep_card, deep_network, network_cache)
    images = images_of((52, 12, 12))
    seen: list[Progress] = []
    block = runner.run(images, True, PLENTY, seen.append, CancelToken())
    softmax, features = expected(deep_network, images)
    np.testing.assert_allclose(block.softmax, softmax, atol=1e-5)
    assert block.features is not None
    np.testing.assert_allclose(block.features, features, rtol=2e-3, atol=2e-3)
    fractions = [p.fraction for p in seen]
    assert len(fractions) >= 7  # three slabs or more each way, and the middle
    assert fractions == sorted(fractions)
    assert fractions[-1] == pytest.approx(1.0)
    assert seen[-1].seconds_left == pytest.approx(0.0, abs=1e-6)


def test_bfloat16_changes_little(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    runner = made(tmp_path, deep_card, deep_network, network_cache, exact=False)
    images = images_of((24, 16, 12))
    block = runner.run(images, False, PLENTY, ignore_progress, CancelToken())
    np.testing.assert_allclose(block.softmax, expected(deep_network, images)[0], atol=0.05)


def test_networks_of_other_architectures_run_as_a_whole(tmp_path: Path, card: ModelCard, network_cache: Path) -> None:
    torch.manual_seed(0)
    parameters = {"filters": [4, 6, 8]}
    network = build_network("dynunet", parameters, 3, 5).eval()
    card = replace(card, name="dyn", architecture="dynunet", parameters=parameters)
    runner = made(tmp_path, card, network, network_cache)
    images = images_of((16, 8, 12))
    block = runner.run(images, True, PLENTY, ignore_progress, CancelToken())
    softmax, features = expected(network, images)
    np.testing.assert_allclose(block.softmax, softmax, atol=1e-4)
    assert block.features is not None
    np.testing.assert_allclose(block.features, features, rtol=1e-2, atol=1e-2)


def test_less_memory_makes_thinner_slabs_and_too_little_is_said(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    runner = made(tmp_path, deep_card, deep_network, network_cache)
    shape = (160, 160, 160)
    bounds = [b for b in np.geomspace(1e8, 1e11, 30) if runner.fits(shape, False, b)]
    lengths = [runner._slab(shape, False, b) for b in bounds]
    assert lengths == sorted(lengths, key=lambda n: n or 0)
    assert lengths[0] is not None and lengths[-1] is not None and lengths[0] < lengths[-1]
    assert not runner.fits(shape, False, 1e8)


@pytest.mark.parametrize("planes", [8, 20, 52, 144, 178])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_slabs_give_every_plane_once_with_their_margins(planes: int, count: int) -> None:
    length = slab_length(planes, count)
    pieces = slabs(planes, length)
    assert [stop - first for _, first, stop in pieces] and pieces[0][1] == 0 and pieces[-1][2] == planes
    for (start, first, stop), (after, following, _) in itertools.pairwise(pieces):
        assert stop == following
        assert start % 2 == first % 2 == 0
        assert start + length - stop >= MARGIN
        assert following - after >= MARGIN


def test_a_request_to_stop_is_heard_while_a_layer_runs(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    runner = made(tmp_path, deep_card, deep_network, network_cache)
    images = images_of((120, 120, 120))
    cancel = CancelToken()
    asked: list[float] = []

    def stop(_progress: Progress) -> None:
        if not asked:
            asked.append(time.monotonic())
            cancel.cancel()

    with pytest.raises(Cancelled):
        runner.run(images, False, PLENTY, stop, cancel)
    assert time.monotonic() - asked[0] < 1.0
    again = images_of((8, 8, 8))
    block = runner.run(again, False, PLENTY, ignore_progress, CancelToken())
    np.testing.assert_allclose(block.softmax, expected(deep_network, again)[0], atol=1e-5)


def test_a_progress_bar_that_fails_leaves_nothing_to_the_layer_that_runs(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    runner = made(tmp_path, deep_card, deep_network, network_cache)

    def fail(_progress: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        runner.run(images_of((120, 120, 120)), False, PLENTY, fail, CancelToken())
    again = images_of((8, 8, 8))
    block = runner.run(again, False, PLENTY, ignore_progress, CancelToken())
    np.testing.assert_allclose(block.softmax, expected(deep_network, again)[0], atol=1e-5)


def test_memory_is_let_go_of_after_the_layer_that_uses_it() -> None:
    class Request:
        """One whose last layer takes four looks."""

        looks = 0

        def wait_for(self, _ms: int) -> bool:
            assert memory() is not None
            self.looks += 1
            if self.looks == 4:
                raise RuntimeError("Infer Request was canceled")
            return False

    values = np.zeros(5)
    memory = weakref.ref(values)
    request = Request()
    ending = _Ending(request, [values])
    del values
    assert not ending.ended()
    del ending
    assert request.looks == 4 and memory() is None


def test_a_damaged_model_is_refused_even_where_it_lies_converted_in_the_cache(
    tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, network_cache: Path
) -> None:
    saved = save_model(tmp_path / "deep", deep_card, deep_network, half=False)
    OpenVinoRunner(tmp_path / "deep", saved, network_cache)
    (tmp_path / "deep" / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(UserError, match="SHA-256"):
        OpenVinoRunner(tmp_path / "deep", saved, network_cache)


class TestTelemetry:
    CODE = """
import socket, sys
from pathlib import Path
def refused(*args, **kwargs):
    raise SystemExit("the network was used")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
from glioma_annotator.inference.openvino_library import import_openvino
openvino = import_openvino()
import torch
class Twice(torch.nn.Module):
    def forward(self, x):
        return 2 * x
openvino.convert_model(Twice(), example_input=torch.zeros(2))
loaded = [name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module]
print(loaded, sorted(str(p) for p in Path.home().rglob("*")))
"""

    def test_importing_and_converting_send_nothing_and_leave_no_file(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir()
        environment = {"HOME": str(home), "USERPROFILE": str(home), "PATH": "", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", self.CODE], env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip().splitlines()[-1] == "[] []"
        assert socket.socket.connect is not None


class TestCache:
    MADE = Converted({"multiple": 4}, ((b"<graph/>", b"\x00\n\x01"), (b"<second/>", b"")))

    def test_a_network_is_made_once(self, tmp_path: Path) -> None:
        calls: list[int] = []

        def make() -> Converted:
            calls.append(1)
            return self.MADE

        assert load_or_make(tmp_path / "new", "key", make) == self.MADE
        assert load_or_make(tmp_path / "new", "key", make) == self.MADE
        assert len(calls) == 1
        assert [file.suffix for file in (tmp_path / "new").iterdir()] == [".network"]

    @pytest.mark.parametrize(
        "damage", ["cut", "flipped", "empty", "no header", "wrong sizes", "endless", "nested", "another's"]
    )
    def test_a_damaged_one_is_made_anew(self, tmp_path: Path, damage: str) -> None:
        load_or_make(tmp_path, "key", lambda: self.MADE)
        (file,) = tmp_path.iterdir()
        content = file.read_bytes()
        file.write_bytes(
            {
                "cut": content[:-2],
                "flipped": content[:-1] + bytes([content[-1] ^ 1]),
                "empty": b"",
                "no header": b"[]\n",
                "wrong sizes": content.replace(b'"sizes"', b'"sizis"'),
                "endless": content.replace(b'"sizes": [', b'"sizes": [1e999, '),
                "nested": b"[" * 100_000 + b"\n",
                "another's": content.replace(b'"key": "key"', b'"key": "other"'),
            }[damage]
        )
        assert load_or_make(tmp_path, "key", lambda: self.MADE) == self.MADE
        assert file.read_bytes() == content

    @pytest.mark.parametrize(
        "wrong",
        [
            {"facts": {}},
            {"facts": {"multiple": "many", "widths": [4, 6]}},
            {"facts": {"multiple": 4, "widths": [4]}},
            {"models": 1},
            {"graph": b"<no graph"},
            {"graph": b""},
            {"weights": b""},
        ],
    )
    def test_what_is_no_network_is_made_anew(
        self,
        tmp_path: Path,
        deep_card: ModelCard,
        deep_network: SegmentationNetwork,
        network_cache: Path,
        wrong: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        cache = tmp_path / "cache"
        images = images_of((16, 16, 16))
        card = save_model(tmp_path / "model", deep_card, deep_network, half=False)
        key = key_of(card, openvino_library.import_openvino().__version__)
        kept = load_or_make(network_cache, key, lambda: openvino_runner.convert(tmp_path / "model"))
        parts = [(wrong.get("graph", graph), wrong.get("weights", weights)) for graph, weights in kept.models]
        broken = Converted(wrong.get("facts", kept.facts), tuple(parts[: wrong.get("models", 3)]))
        load_or_make(cache, key, lambda: broken)
        again: list[Path] = []
        monkeypatch.setattr(openvino_runner, "convert", lambda folder, *_: (again.append(folder), kept)[1])
        block = made(tmp_path, deep_card, deep_network, cache).run(
            images, False, PLENTY, ignore_progress, CancelToken()
        )
        assert len(again) == 1
        np.testing.assert_allclose(block.softmax, expected(deep_network, images)[0], atol=1e-5)
        assert load_or_make(cache, key, pytest.fail).facts == kept.facts

    def test_a_folder_that_cannot_be_written_is_done_without(self, tmp_path: Path) -> None:
        blocked = tmp_path / "file"
        blocked.write_text("not a folder")
        assert load_or_make(blocked, "key", lambda: self.MADE) == self.MADE

    def test_the_oldest_are_removed(self, tmp_path: Path) -> None:
        for number in range(KEPT + 3):
            load_or_make(tmp_path, str(number), lambda: self.MADE)
        assert len(list(tmp_path.iterdir())) == KEPT

    def test_loading_twice_at_once_converts_once(
        self, tmp_path: Path, deep_card: ModelCard, deep_network: SegmentationNetwork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        card = save_model(tmp_path / "model", deep_card, deep_network, half=False)
        calls: list[Path] = []
        convert = openvino_runner.convert

        def counted(folder: Path, *arguments: bool) -> Converted:
            calls.append(folder)
            return convert(folder, *arguments)

        monkeypatch.setattr(openvino_runner, "convert", counted)
        with ThreadPoolExecutor(3) as pool:
            loads = [pool.submit(OpenVinoRunner, tmp_path / "model", card, tmp_path / "cache") for _ in range(3)]
            assert len({load.result().multiple for load in loads}) == 1
        assert len(calls) == 1
