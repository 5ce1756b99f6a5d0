"""Networks of MONAI in the form the program uses: features in front of a 1x1x1 head."""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from torch import Tensor, nn

from glioma_annotator.inference.networks import SegmentationNetwork

_NORMS = {"instance": ("INSTANCE", {"affine": True}), "batch": ("BATCH", {"affine": True})}


class DynUNetNetwork(SegmentationNetwork):
    """MONAI's DynUNet, the U-Net of nnU-Net (Isensee et al. 2018, arXiv 1809.10486): 3x3x3 kernels, strides of 2.

    Parameters
    ----------
    filters: per level, finest first; at least three levels.
    norm: "instance" or "batch".
    residual: residual blocks instead of plain ones.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        filters: Sequence[int] = (32, 64, 128, 256),
        norm: str = "instance",
        residual: bool = False,
    ) -> None:
        super().__init__()
        if len(filters) < 3 or min(filters) < 1 or norm not in _NORMS:
            raise ValueError("a DynUNet needs at least three levels of filters and the norm “instance” or “batch”")
        strides = [1, *[2] * (len(filters) - 1)]
        self._levels = len(filters)
        whole = DynUNet(
            3,
            in_channels,
            out_channels,
            kernel_size=[3] * len(filters),
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=list(filters),
            norm_name=_NORMS[norm],
            res_block=residual,
        )
        self.body = whole.skip_layers  # everything but the head; the same layers under a second name are left behind
        self.head = nn.Conv3d(filters[0], out_channels, 1)

    @property
    def multiple(self) -> int:
        return int(2 ** (self._levels - 1))

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(x)
        return features


class SegResNetNetwork(SegmentationNetwork):
    """MONAI's SegResNet (Myronenko 2018, arXiv 1810.11654), without the autoencoder.

    Parameters
    ----------
    init_filters: of the finest level, a multiple of 8 (the groups of its normalisation); they double per level.
    blocks_down, blocks_up: residual blocks per level on the way down and, one level fewer, up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        init_filters: int = 16,
        blocks_down: Sequence[int] = (1, 2, 2, 4),
        blocks_up: Sequence[int] = (1, 1, 1),
    ) -> None:
        super().__init__()
        if init_filters < 8 or init_filters % 8 or len(blocks_up) != len(blocks_down) - 1 or min(blocks_down) < 1:
            raise ValueError(
                "a SegResNet needs a multiple of 8 as init_filters, blocks_down of at least 1, and one fewer blocks_up"
            )
        self._levels = len(blocks_down)
        self.backbone = SegResNet(
            3, init_filters, in_channels, out_channels, blocks_down=tuple(blocks_down), blocks_up=tuple(blocks_up)
        )
        self.backbone.conv_final[-1] = nn.Identity()
        self.head = nn.Conv3d(init_filters, out_channels, 1)

    @property
    def multiple(self) -> int:
        return int(2 ** (self._levels - 1))

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.backbone(x)
        return features
