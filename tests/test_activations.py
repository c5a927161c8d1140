"""Taps see what the layers put out, per row, disturb nothing, and leave no trace."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import threading
import warnings
import weakref
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from driftlead.activations import LARGEST_KEPT, MOST_COLUMNS, Layer, activation_watch, outputs, taps, watch
from driftlead.errors import InvalidDataError, InvalidParameterError
from driftlead.signals import SignalRows, join_rows


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(144, 5)).eval()


@pytest.fixture
def images():
    return torch.randn(7, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def moments(output):
    """Plain oracle: mean and standard deviation of each row, in double precision."""
    rows = output.detach().double().numpy().reshape(len(output), -1)
    return np.column_stack([rows.mean(axis=1), rows.std(axis=1)])


def taken(watched, rows=None):
    return np.asarray(watched.take(rows))


def close(actual, expected, rtol=1e-5):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-6)


# --- what is computed --------------------------------------------------------------------------------


def test_take_is_mean_and_std_of_each_row_before_what_follows_works_in_place(network, images):
    with watch(network, ["0", "3"]) as watched, torch.inference_mode():
        output = network(images)
        seen = taken(watched)
        convolved = network[0](images)
    close(seen, np.hstack([moments(convolved), moments(output)]))
    assert [signal.name for signal in watched.signals] == [
        "activation:0.mean",
        "activation:0.std",
        "activation:3.mean",
        "activation:3.std",
    ]


def test_many_passes_are_reduced_as_one(network, images, monkeypatch):
    reductions = []
    reduce = Layer.reduce
    monkeypatch.setattr(
        Layer, "reduce", lambda self, output: reductions.append(len(output)) or reduce(self, output)
    )
    sizes = [1, 1, 3, 0, 1, 7]
    network = network.double()
    with watch(network, ["0", "3"]) as watched, torch.no_grad():
        parts = []
        for size in sizes:
            network(images[:size].double())
            parts.append(SignalRows(watched.take()))
        assert reductions == []
        joined = join_rows(parts)
        assert reductions == [sum(sizes)] * 2
        close(joined, np.concatenate([np.asarray(part) for part in parts]))


def test_blocks_of_passes_stay_in_order(network, images, monkeypatch):
    network, images = network.bfloat16(), images.bfloat16()
    with watch(network, ["0", "3"]) as watched, torch.no_grad():
        parts = []
        for row in range(7):
            network(images[row : row + 1])
            parts.append(SignalRows(watched.take()))
        whole = join_rows(parts)
        monkeypatch.setattr(activation_watch, "_BLOCK_BYTES", 2 * parts[0].nbytes)
        close(join_rows(parts), whole)
    assert parts[0].nbytes == 2 * (144 + 5)


def test_large_outputs_are_reduced_at_once_to_the_same(network, images, monkeypatch):
    with watch(network, [Layer("0", units=4, projection=3)]) as watched, torch.no_grad():
        parts = []
        for largest in (LARGEST_KEPT, 4 * 36 * len(images) - 1):
            monkeypatch.setattr(outputs, "LARGEST_KEPT", largest)
            # Under autocast the layer works in half precision; what is computed of it must not.
            with torch.autocast("cpu", dtype=torch.bfloat16):
                network(images)
                parts.append(SignalRows(watched.take()))
        network(images[:1])
        parts.append(SignalRows(watched.take()))
        assert watched.errors == {"0": 0}
    assert parts[1].nbytes < parts[0].nbytes
    kept, reduced, single = np.split(join_rows(parts), [7, 14])
    close(kept, reduced)
    np.testing.assert_allclose(single, kept[:1], atol=0.02)


def test_a_row_of_numbers_and_infinity_has_no_spread():
    output = torch.tensor([[1.0, 2.0, torch.inf], [1.0, torch.nan, 2.0], [3.0, 3.0, 3.0]])
    expected = [[torch.inf, torch.nan], [torch.nan, torch.nan], [3.0, 0.0]]
    np.testing.assert_array_equal(Layer("0").reduce(output), expected)


def test_the_moments_of_a_tensor_that_has_a_gradient_are_the_same():
    output = torch.randn(4, 30, generator=torch.Generator().manual_seed(0))
    close(Layer("0").reduce(output.clone().requires_grad_()).detach(), Layer("0").reduce(output))


def test_a_large_mean_does_not_drown_the_spread():
    output = 1e4 + torch.randn(3, 1000, generator=torch.Generator().manual_seed(0))
    close(Layer("0").reduce(output), moments(output), rtol=1e-4)


@pytest.mark.parametrize(
    ("shape", "axis", "expected"),
    [
        ((6, 4), 1, lambda x: x),
        ((6, 4, 3, 5), 1, lambda x: x.mean(axis=(2, 3))),
        ((6, 9, 4), -1, lambda x: x.mean(axis=1)),
    ],
)
def test_units_are_means_over_positions(shape, axis, expected):
    output = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    layer = Layer("x", moments=False, units=4, axis=axis)
    close(layer.reduce(output), expected(output.double().numpy()))
    assert [signal.name for signal in layer.signals] == [f"activation:x.unit{i}" for i in range(4)]


def test_one_value_per_row_is_one_unit():
    close(Layer("x", units=1).reduce(torch.tensor([1.0, 2.0])), [[1, 0, 1], [2, 0, 2]])


def test_projections_are_linear_keep_distances_and_do_not_depend_on_the_width():
    rng = torch.Generator().manual_seed(0)
    layer = Layer("x", moments=False, projection=200)
    one, other = torch.randn(2, 500, 300, generator=rng)
    ratio = torch.linalg.norm(layer.reduce(one) - layer.reduce(other), dim=1) / torch.linalg.norm(
        one - other, dim=1
    )
    assert abs(float(ratio.square().mean()) - 1) < 0.02
    narrow = torch.zeros(500, 300)
    narrow[:, :40] = one[:, :40]
    close(layer.reduce(narrow), layer.reduce(one[:, :40]), rtol=1e-3)


def test_the_projection_is_the_same_in_every_version():
    """Values from PCG64's raw bits, by hand: a reference of last year must meet the same matrix."""
    directions = Layer("x", moments=False, projection=2).reduce(torch.eye(2, dtype=torch.float64))
    close(directions, np.array([[0.350353, -0.613458], [-1.739499, -2.131411]]) / np.sqrt(2), rtol=1e-5)


# --- networks of every kind --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_any_precision(dtype):
    network = nn.Sequential(nn.Identity())
    values = torch.randn(5, 40, generator=torch.Generator().manual_seed(0)).to(dtype)
    with watch(network, ["0"]) as watched:
        network(values)
        close(taken(watched), moments(values))


def test_training_with_gradients_goes_on_undisturbed(network, images):
    network.train()
    network(images).sum().backward()
    expected = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    with watch(network, ["0", "3"]) as watched:
        output = network(images)
        columns = watched.take()
        output.sum().backward()
        close(np.asarray(columns)[:, 2:], moments(output))
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)


@pytest.mark.parametrize("rows", [3, 65])
def test_an_output_without_memory_is_left_alone(rows):
    network = nn.Sequential(nn.Linear(4, 4), nn.Identity())
    network[1].forward = lambda x: x[1:]
    with watch(network, ["0", "1"]), torch.no_grad():
        values = torch.ones(rows, 4)
        torch.testing.assert_close(torch.func.functionalize(network)(values), network(values))
        zeros = nn.Sequential(nn.Identity())
        with watch(zeros, ["0"]):
            zeros(torch._efficientzerotensor((rows, 4)))


def test_what_is_kept_does_not_keep_the_graph_of_its_pass(network, images):
    network.double().train()
    with watch(network, ["0", "3"]) as watched:
        network(images.double())
        kept = [each for each, *_ in watched.take().content.outputs.values()]
        assert len(kept) == 2
        assert not any(isinstance(each, torch.Tensor) and each.requires_grad for each in kept)


def test_a_network_under_vmap_goes_on_and_its_outputs_have_no_columns(network, images):
    with watch(network, ["0"]) as watched, torch.no_grad():
        torch.vmap(network)(images[:, None])
        assert watched.errors == {"0": 0}


class Parts(nn.Module):
    """Answers as it is asked to."""

    def forward(self, answer):
        return answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda x: (x, None),
        lambda x: [x, x + 1],
        lambda x: {"last_hidden_state": x, "pooled": x + 1},
        lambda x: ((x, x + 1), x + 2),
        nn.Parameter,
    ],
)
def test_the_first_tensor_of_what_a_layer_answers_is_watched(answer, images):
    network = nn.Sequential(Parts())
    with watch(network, ["0"]) as watched:
        network(answer(images))
        close(taken(watched), moments(images))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "text",
        (),
        {},
        torch.tensor(1.0),
        torch.zeros(7, 0),
        torch.zeros(7, 2).to_sparse(),
        torch.zeros(7, 2, dtype=torch.complex64),
    ],
)
def test_what_cannot_be_watched_is_missing_and_counted(answer, images, caplog):
    network = nn.Sequential(Parts())
    with watch(network, ["0"]) as watched:
        for _ in range(2):
            assert network(answer) is answer
            assert np.isnan(taken(watched, rows=7)).all()
        network(images)
        assert np.isfinite(taken(watched)).all()
        assert watched.errors == {"0": 2}
    assert len(caplog.records) == 1


def test_a_pass_that_fails_does_not_spoil_its_neighbours(caplog):
    network = nn.Sequential(nn.Identity())
    passes = [torch.randn(2, units) for units in (5, 4, 5)]
    with watch(network, [Layer("0", units=5)]) as watched:
        parts = []
        for values in passes:
            network(values)
            parts.append(SignalRows(watched.take()))
        joined = join_rows(parts)
        assert watched.errors == {"0": 1}
    assert np.isnan(joined).any(axis=1).tolist() == [False, False, True, True, False, False]
    close(joined[[0, 1, 4, 5]], np.vstack([np.hstack([moments(x), x]) for x in (passes[0], passes[2])]))
    assert "units of layer '0' must be 4, got 5" in caplog.text


def test_sizes_may_change_from_pass_to_pass():
    network = nn.Sequential(nn.Identity())
    passes = [torch.randn(2, length) for length in (3, 9, 9, 1)]
    with watch(network, ["0"]) as watched:
        parts = []
        for values in passes:
            network(values)
            parts.append(SignalRows(watched.take()))
        close(join_rows(parts), np.concatenate([moments(values) for values in passes]))


# --- outputs that are reduced at once -----------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 2, 64, 65, 200])
def test_few_rows_and_many_have_the_same_moments(rows):
    network = nn.Sequential(nn.Identity(), nn.Linear(5, 1))
    values = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
    with watch(network, ["0", "1"]) as watched, torch.no_grad():
        output = network(values)
        close(taken(watched), np.hstack([moments(values), moments(output)]))


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda x: x.to(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3),
        lambda x: x[:1].expand(7, -1, -1, -1),
        lambda x: x[..., ::2],
        lambda x: x[1:].flatten(1),
        lambda x: x[:, 0, 0, 0],
        lambda x: x.double(),
        lambda x: x > 0,
        lambda x: torch.complex(x, x).conj().imag,
        lambda x: torch.complex(x, x).conj().imag[:1, :, :1, :1],
    ],
)
def test_however_an_output_lies_in_memory_its_values_are_read(images, laid_out):
    network = nn.Sequential(nn.Identity())
    with watch(network, ["0"]) as watched:
        output = network(laid_out(images))
        close(taken(watched), moments(output.resolve_neg().clone()))
        assert watched.errors == {"0": 0}


def test_layers_that_are_kept_and_layers_reduced_at_once_stand_side_by_side(images):
    network = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Flatten())
    layers = ["0", Layer("1", moments=False, units=64), "2"]
    with watch(network, layers) as watched:
        parts = []
        for rows in (2, 100, 1):
            values = images.repeat(20, 1, 1, 1)[:rows]
            network(values)
            parts.append(SignalRows(watched.take()))
            flat = values.flatten(1)
            expected = np.hstack([moments(flat), flat.relu(), moments(flat.relu())])
            close(np.asarray(parts[-1]), expected)
        assert join_rows(parts).shape == (103, 68)
        assert watched.errors == {"0": 0, "1": 0, "2": 0}


@pytest.mark.parametrize("last", [lambda x: x + 1, lambda x: x.double() + 1, lambda x: x.repeat(1, 2000)])
def test_the_last_run_counts_whatever_the_runs_put_out(images, last):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, runs):
            return [self.layer(run) for run in runs]

    network, rows = Twice(), images.flatten(1)
    with watch(network, ["layer"]) as watched:
        for runs in ([rows, last(rows)], [last(rows), rows]):
            network(runs)
            close(taken(watched), moments(runs[-1]))


class Branches(nn.Module):
    """Runs one layer twice, another only when asked to, and fails when asked to."""

    def __init__(self):
        super().__init__()
        self.twice = nn.Identity()
        self.sometimes = nn.Identity()

    def forward(self, rows, sometimes, fail=False):
        self.twice(rows)
        rows = self.twice(rows + 1)
        if sometimes:
            self.sometimes(rows)
        if fail:
            raise RuntimeError
        return rows


def test_the_last_run_of_a_layer_counts_and_a_layer_left_out_is_missing(images):
    network = Branches()
    with watch(network, ["twice", "sometimes"]) as watched:
        parts = []
        for sometimes in (True, False, True):
            network(images, sometimes)
            parts.append(SignalRows(watched.take()))
        joined = join_rows(parts)
        close(joined[:, :2], np.tile(moments(images + 1), (3, 1)))
        close(joined[:7, 2:], moments(images + 1))
        assert np.isnan(joined[7:14, 2:]).all()
        assert watched.errors == {"twice": 0, "sometimes": 0}


def test_what_an_interrupted_pass_left_is_not_the_next_ones(images):
    network = Branches()
    with watch(network, ["twice", "sometimes"]) as watched:
        with pytest.raises(RuntimeError):
            network(images, sometimes=True, fail=True)
        network(images, sometimes=False)
        assert np.isnan(taken(watched)[:, 2:]).all()


def test_rows_that_the_pass_did_not_have_are_missing(network, images):
    with watch(network, ["3"]) as watched:
        network(images)
        assert np.isnan(taken(watched, rows=6)).all()
        assert watched.errors == {"3": 1}


def test_one_module_under_two_names_is_watched_under_both(images):
    shared = nn.Identity()
    network = nn.Sequential(shared, nn.ReLU(), shared)
    with watch(network, ["0", "2"]) as watched:
        output = network(images)
        close(taken(watched), np.hstack([moments(output)] * 2))


def test_no_layers_have_no_columns(network, images):
    with watch(network, []) as watched:
        network(images)
        assert taken(watched, rows=7).shape == (7, 0)
        assert watched.signals == ()


# --- compiled networks -------------------------------------------------------------------------------


@pytest.fixture
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.mark.parametrize("order", ["watched, compiled", "compiled, watched"])
def test_a_compiled_network_is_watched_without_a_break(network, images, order, fresh_compiler):
    if order == "watched, compiled":
        watched = watch(network, ["0", "3"])
        compiled = torch.compile(network, backend="eager", fullgraph=True)
    else:
        compiled = torch.compile(network, backend="eager", fullgraph=True)
        watched = watch(compiled, ["0", "3"])
    with torch.no_grad():
        expected = np.hstack([moments(network[0](images)), moments(network(images))])
        watched.take()
        for rows in (7, 7, 2):
            compiled(images[:rows])
            close(taken(watched), expected[:rows])
        seen = []

        def elsewhere():
            compiled(images[:3])
            seen.append(taken(watched))

        compiled(images)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        close(seen[0], expected[:3])
        close(taken(watched), expected)
        watched.remove()
        compiled(images)
        assert np.isnan(taken(watched, rows=7)).all()


def test_a_compiled_network_reduces_large_outputs_without_a_break(
    network, images, monkeypatch, fresh_compiler
):
    monkeypatch.setattr(outputs, "LARGEST_KEPT", 0)
    with watch(network, [Layer("0", units=4, projection=3)]) as watched, torch.no_grad():
        network(images)
        expected = taken(watched)
        torch.compile(network, backend="eager", fullgraph=True)(images)
        close(taken(watched), expected)
        assert watched.errors == {"0": 0}


def test_a_network_that_was_compiled_and_run_unwatched_is_compiled_anew(network, images, fresh_compiler):
    compiled = torch.compile(network, backend="eager")
    with torch.no_grad():
        compiled(images)
        with watch(compiled, ["3"]) as watched:
            close(moments(compiled(images)), taken(watched))
        compiled(images)
        with pytest.raises(InvalidDataError, match="no forward pass went through a watched layer"):
            watched.take()


def test_a_hooked_layer_that_was_compiled_unwatched_says_what_to_do(images, fresh_compiler):
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(8, 3))
    compiled = torch.compile(torch.fx.symbolic_trace(nn.Sequential(layer)), backend="eager")
    with torch.no_grad():
        compiled(images)
        with watch(compiled, ["0"]) as watched:
            compiled(images)
            with pytest.raises(InvalidDataError, match=r"may need torch.compiler.reset\(\) after it"):
                watched.take()
            torch.compiler.reset()
            close(moments(compiled(images)), taken(watched))


def test_a_compiled_part_of_a_network_is_a_layer(network, images, fresh_compiler):
    network[3] = torch.compile(network[3], backend="eager")
    with watch(network, ["3"]) as watched, torch.no_grad():
        output = network(images)
        close(taken(watched), moments(output))


def test_torchscript_is_refused(network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = torch.jit.trace(network, torch.zeros(1, 1, 8, 8))
    with pytest.raises(InvalidParameterError, match=r"layers must be run by Python .* got '3'"):
        watch(traced, ["3"])


# --- what it must not do -----------------------------------------------------------------------------


class Operations(TorchDispatchMode):
    """Records every operation on tensors."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        self.names.append(operation.overloadpacket.__name__)
        return operation(*arguments, **(keywords or {}))


@pytest.mark.parametrize(
    ("dtype", "rows", "copies"),
    [(torch.float32, 7, []), (torch.float32, 65, ["detach"] * 2), (torch.bfloat16, 7, ["clone"] * 2)],
)
def test_a_pass_only_copies_outputs(network, images, dtype, rows, copies):
    """Nothing that would wait for a GPU: no copy to the host, no value read. What NumPy knows, it copies."""
    images = images.repeat(10, 1, 1, 1)[:rows]
    network, images = network.to(dtype), images.to(dtype)
    with torch.no_grad(), Operations() as bare:
        network(images)
    with watch(network, ["0", "3"]) as watched, torch.no_grad(), Operations() as hooked:
        network(images)
        watched.take()
    assert sorted(hooked.names) == sorted([*bare.names, *copies])


@pytest.mark.parametrize("largest", [LARGEST_KEPT, 0])
def test_a_pass_reads_no_value(network, images, monkeypatch, largest):
    """On the meta device there are no values: whatever needs one fails."""
    monkeypatch.setattr(outputs, "LARGEST_KEPT", largest)
    with watch(network.to("meta"), [Layer("0", units=4), "3"]) as watched:
        network(images.to("meta"))
        assert watched.take().shape == (7, 8)
        assert watched.errors == {"0": 0, "3": 0}


class Stream:
    """Stands for a CUDA stream: records what was asked of it."""

    def __init__(self, log):
        self.log = log
        self.device = "cuda:0"

    def record_event(self):
        self.log.append("recorded")
        return self

    def wait_event(self, event):
        self.log.append("waited")


def test_joining_waits_for_the_streams_of_the_passes_and_serving_does_not(network, images, monkeypatch):
    """No GPU needed: tensors that say that they are CUDA's, and streams that only record."""
    log = []
    stream = Stream(log)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: stream)

    class Cuda(torch.Tensor):
        is_cuda = True

    with watch(network, ["0", "3"]) as watched, torch.no_grad():
        network(images.as_subclass(Cuda))
        columns = watched.take()
        assert log == ["recorded"]
        np.asarray(columns)
        assert log == ["recorded", "waited"]


def test_it_leaves_no_trace(network, images):
    def describe():
        return [
            {key: len(value) if key.endswith("_hooks") else None for key, value in vars(module).items()}
            for module in network.modules()
        ]

    before, state = describe(), network.state_dict()
    watched = watch(network, ["0", "3"])
    assert network.state_dict().keys() == state.keys()
    network(images)
    watched.remove()
    watched.remove()
    assert describe() == before
    watched.take()
    network(images)
    with pytest.raises(InvalidDataError, match="no forward pass went through a watched layer"):
        watched.take()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))])
def test_a_copy_of_a_watched_network_is_not_watched(network, images, duplicate):
    with watch(network, ["0", "3"]) as watched, torch.no_grad():
        other = duplicate(network)
        assert torch.equal(other(images), network(images))
        watched.take()
        other(images)
        assert np.isnan(taken(watched, rows=7)).all()


class Own(nn.Module):
    """A network of a class of one's own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.ReLU()
        self.alias = self.first

    def forward(self, rows):
        return self.second(self.first(rows))


def test_a_shallow_copy_of_a_watched_layer_computes_with_its_own_weights():
    network = Own()
    with watch(network, ["first"]), torch.no_grad():
        other = copy.copy(network.first)
        other._parameters = {name: torch.zeros_like(value) for name, value in other._parameters.items()}
        assert not other(torch.ones(3, 4)).any()


def test_no_layer_has_a_hook(network):
    """PyTorch calls a module with hooks by a longer way."""
    with watch(network, ["0", "3"]):
        for module in network.modules():
            assert not module._forward_hooks
            assert not module._forward_pre_hooks
            assert isinstance(module, nn.Sequential | nn.Conv2d | nn.ReLU | nn.Flatten | nn.Linear)
        assert repr(network) == repr(copy.deepcopy(network))


class Frozen(nn.Sequential):
    """Says ``super`` in a way that no subclass bears."""

    def train(self, mode=True):
        return super(self.__class__, self).train(mode)


class Particular(nn.Linear):
    """Takes another way in a subclass."""

    @torch.no_grad()
    def forward(self, rows):
        return super().forward(rows) if all(type(self) is Particular for _ in rows) else rows * 0


class Static(nn.Sequential):
    @staticmethod
    def forward(rows):
        return rows * 2


@pytest.mark.parametrize("network", [Frozen(nn.Flatten()), Static(nn.Flatten())])
def test_unusual_networks_go_on(network, images):
    expected = network(images)
    with watch(network, ["0"]):
        network.eval()
        assert torch.equal(network(images), expected)


def test_a_layer_that_asks_for_its_own_class_is_of_it(images):
    network = nn.Sequential(nn.Flatten(), Particular(images[0].numel(), 3))
    expected = network(images)
    assert expected.any()
    with watch(network, ["1"]) as watched:
        assert torch.equal(network(images), expected)
        assert np.asarray(watched.take()).shape == (len(images), 2)


def test_a_watch_that_cannot_begin_leaves_nothing_behind(network, monkeypatch):
    def fail(module, changed, change=taps._change_class):
        if isinstance(module, nn.Linear) and vars(changed).get("_driftlead_tap"):
            raise TypeError
        change(module, changed)

    monkeypatch.setattr(taps, "_change_class", fail)
    with pytest.raises(TypeError):
        watch(network, ["0", "3"])
    assert [type(each) for each in network.modules()] == [
        nn.Sequential, nn.Conv2d, nn.ReLU, nn.Flatten, nn.Linear,
    ]  # fmt: skip


@pytest.mark.parametrize("removed", [True, False])
def test_a_network_is_freed_with_its_last_reference(removed, images):
    network = nn.Sequential(nn.Flatten(), nn.ReLU()).double()
    gc.disable()
    try:
        watched = watch(network, ["0", "1"])
        part = network[:1]
        network(images.double())
        queued = watched.take()
        if removed:
            watched.remove()
        gone = weakref.ref(network)
        del network, watched
        assert gone() is None
        assert np.asarray(queued).shape == (7, 4)
        assert part(images).shape == (7, 64)
    finally:
        gc.enable()


class Reducing(nn.Linear):
    def __reduce__(self):
        return type(self).make, (self.state_dict(),)

    @classmethod
    def make(cls, state):
        made = cls(4, 4)
        made.load_state_dict(state)
        return made


class WithArguments(nn.Linear):
    def __getnewargs_ex__(self):
        return (), {"own": 1}

    def __new__(cls, *_, own=0):
        made = super().__new__(cls)
        made.__dict__["own"] = own
        return made


@pytest.mark.parametrize("of_class", [nn.Linear, Reducing, WithArguments])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_copies_are_of_the_class_that_a_layer_had(of_class, protocol):
    network = nn.Sequential(of_class(4, 4))
    with watch(network, ["0"]):
        buffer = io.BytesIO()
        pickle._Pickler(buffer, protocol).dump(network)
        copies = [pickle.loads(buffer.getvalue()), pickle.loads(pickle.dumps(network, protocol))]
        for other in (*copies, copy.deepcopy(network)):
            assert type(other) is nn.Sequential
            assert type(other[0]) is of_class
            assert torch.equal(other[0].weight, network[0].weight)


def test_tracing_counts_no_errors(network, images, caplog):
    with watch(network, ["0", "3"]) as watched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, images)
        assert torch.equal(torch.fx.symbolic_trace(network)(images), network(images))
        assert torch.equal(traced(images), network(images))
        assert watched.errors == {"0": 0, "3": 0}
    assert not caplog.records


def test_the_rows_of_a_pass_are_those_of_the_layer_that_ran_first(images):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Identity(), nn.Identity()

        def forward(self, rows):
            return self.a(rows), self.b(rows[:2].double())

    network = Two()
    with watch(network, ["b", "a"]) as watched:
        network(images)
        columns = taken(watched)
        assert np.isnan(columns[:, :2]).all()
        close(columns[:, 2:], moments(images))


class Registered(nn.Linear):
    """Of a class that knows its subclasses."""

    subclasses: ClassVar[list[type]] = []

    def __init_subclass__(cls):
        Registered.subclasses.append(cls)


@pytest.mark.parametrize(
    "layer",
    [
        nn.LazyLinear(3),
        nn.utils.parametrizations.weight_norm(nn.Linear(64, 3)),
        Registered(64, 3),
        torch.fx.symbolic_trace(nn.Linear(64, 3)),
    ],
)
def test_a_layer_that_bears_no_subclass_has_a_hook(layer, images):
    network, of_class = nn.Sequential(nn.Flatten(), layer), type(layer)
    with watch(network, ["1"]) as watched:
        assert type(layer) is of_class
        output = network(images)
        close(taken(watched), moments(output))
    assert not layer._forward_hooks
    assert Registered.subclasses == []


def test_a_layer_that_is_parametrized_while_it_is_watched_goes_on(images):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    watched = watch(network, ["1"])
    nn.utils.parametrizations.weight_norm(network[1])
    close(moments(network(images)), taken(watched))
    watched.remove()
    network(images)
    assert np.isnan(taken(watched, rows=7)).all()
    nn.utils.parametrize.remove_parametrizations(network[1], "weight")
    assert network(images).shape == (7, 3)


def test_replicas_are_not_watched(network, images):
    with watch(network, ["0"]) as watched, torch.no_grad():
        replica = network[0]._replicate_for_data_parallel()
        replica._parameters = dict(network[0]._parameters)
        replica(images)
        assert np.isnan(taken(watched, rows=7)).all()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_watches_of_one_network_end_in_any_order(network, images, order):
    watches = [watch(network, ["3"]), watch(network, ["3"])]
    with torch.no_grad():
        expected = moments(network(images))
        for watched in watches:
            close(taken(watched), expected)
        watches[order[0]].remove()
        network(images)
        close(taken(watches[order[1]]), expected)
        assert np.isnan(taken(watches[order[0]], rows=7)).all()
        watches[order[1]].remove()


@pytest.mark.parametrize("layer", ["first", "alias"])
def test_a_watched_network_can_be_traced_exported_and_pickled(layer):
    network, rows = Own().eval(), torch.ones(3, 4)
    graph = torch.fx.symbolic_trace(network)
    with watch(network, [layer]) as watched, watch(graph, ["first"]) as also_watched, torch.no_grad():
        expected = network(rows)
        close(taken(watched), moments(network.first(rows)))
        watched.take()
        assert torch.equal(torch.export.export(network, (rows,)).module()(rows), expected)
        assert torch.equal(torch.fx.symbolic_trace(network)(rows), expected)
        assert torch.equal(graph(rows), expected)
        close(taken(also_watched), moments(network.first(rows)))
        assert torch.equal(pickle.loads(pickle.dumps(nn.Sequential(graph)))(rows), expected)


@pytest.mark.parametrize("layer", ["layers.0.linear1", "layers.1"])
def test_parts_of_a_transformer_that_pytorch_runs_in_one_kernel_are_watched(layer):
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2).eval()
    rows = torch.randn(3, 5, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        fused = encoder(rows)
        with watch(encoder, [layer]) as watched:
            torch.testing.assert_close(encoder(rows), fused)
            columns = taken(watched)
            assert columns.shape == (3, 2)
            assert not np.isnan(columns).any()


def test_columns_are_taken_once(network, images):
    with watch(network, ["3"]) as watched:
        network(images)
        watched.take()
        with pytest.raises(InvalidDataError):
            watched.take()


def test_threads_do_not_see_each_other(network, images):
    with watch(network, ["3"]) as watched:
        network(images)

        def other() -> None:
            network(images[:2])
            shapes.append(watched.take().shape)

        shapes: list[tuple[int, ...]] = []
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert shapes == [(2, 2)]
        assert watched.take().shape == (7, 2)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["nope"], r"layers must be among the network's layers \(0, 1, 2, 3\), got 'nope'"),
        ([""], "layers must be among"),
        (["0", "0"], "layers must be without repetition"),
        ("03", "layers must be a sequence of names or Layers, got '03'"),
        ([0], r"layers must be a sequence of names or Layers, got \[0\]"),
    ],
)
def test_bad_layers_are_refused(network, layers, message):
    with pytest.raises(InvalidParameterError, match=message):
        watch(network, layers)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"units": True}, "units must be a number from 0 to 256, got True"),
        ({"units": MOST_COLUMNS + 1}, "units must be"),
        ({"projection": -1}, "projection must be a number from 0 to 256, got -1"),
        ({"axis": 0}, "axis must be"),
        ({"moments": False}, "layers must be watched by moments, units or projection, got 'x'"),
    ],
)
def test_bad_choices_are_refused(choice, message):
    with pytest.raises(InvalidParameterError, match=message):
        Layer("x", **choice)
