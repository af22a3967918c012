"""Top-K rows of images that were not augmented become a guide: python import_topk.py TOPK.npz STORE [DENSE.npy]

TOPK.npz has `indices`, integers (N, K), and `values`, the probabilities (N, K) of these classes at temperature 1; row i
is of training sample i. The store has the encoding topk: these K, and the share of all other classes, which is what
they leave of 1. A student is trained with temperature 1; at any other one nothing is known of that share.
With the probabilities of all classes, DENSE.npy (N, C), it prints how far that is from them.
"""

import hashlib
import sys
from pathlib import Path

import numpy as np

import dgkd_cache as dgkd


def spread(indices_NK: np.ndarray, values_NK: np.ndarray, classes: int) -> np.ndarray:
    """Returns log-probabilities (N, C), of which the encoding keeps the K largest and the sum of the others."""
    distinct = (np.diff(np.sort(indices_NK, axis=1), axis=1) > 0).all()
    if indices_NK.min() < 0 or indices_NK.max() >= classes or not distinct:
        raise SystemExit(f"expected distinct classes from 0 to {classes - 1} in each row of `indices`")
    if values_NK.min() <= 0 or values_NK.sum(axis=1).max() > 1.001:
        raise SystemExit("expected probabilities in `values`, of which each row has a sum of at most 1")
    rest_N1 = np.maximum(1 - values_NK.sum(axis=1, keepdims=True), 1e-6)  # a sum of 1 leaves no logarithm
    each_N1, least_N1 = rest_N1 / max(classes - indices_NK.shape[1], 1), values_NK.min(axis=1, keepdims=True)
    if (each_N1 > least_N1 + 1e-3).any():
        raise SystemExit("expected the K largest probabilities in `values`: in some rows the others are larger")
    rows_NC = np.repeat(np.minimum(each_N1, least_N1), classes, axis=1)
    np.put_along_axis(rows_NC, indices_NK, values_NK, axis=1)
    return np.log(rows_NC)


def kl(dense_NC: np.ndarray, logits_NC: np.ndarray) -> float:
    """Returns the mean KL(dense || spread) in nats."""
    q_NC = np.exp(logits_NC) / np.exp(logits_NC).sum(axis=1, keepdims=True)
    dense_NC = np.maximum(dense_NC, 1e-30)
    return float((dense_NC * np.log(dense_NC / q_NC)).sum(axis=1).mean())


def main(source: str, store: str, dense: str = "") -> None:
    data = dgkd.load_dataset("digits")
    plan = dgkd.ViewPlan.build(image=(1, 8, 8), transforms=["none"])
    with np.load(source) as topk:
        indices_NK, values_NK = topk["indices"], topk["values"].astype(np.float64)
    logits_NC = spread(indices_NK, values_NK, len(data.classes))
    if len(logits_NC) != len(data.train):
        raise SystemExit(f"expected a row for each of {len(data.train)} training samples, found {len(logits_NC)}")
    writer = dgkd.GuideWriter.from_logits(
        store,
        lambda view, samples: logits_NC[samples],
        identity={"top-k rows of SHA-256": hashlib.sha256(Path(source).read_bytes()).hexdigest()},
        guide=dgkd.Provenance(name="topk"),
        train=dgkd.ViewRenderer(plan, data.train),
        views=range(1),
        settings=dgkd.DumpSettings(temperature=1.0, encoding="topk", topk=indices_NK.shape[1]),
    )
    print(writer.run(progress=dgkd.PrintProgress()))
    if dense:
        print(f"KL to all classes: {kl(np.load(dense), logits_NC):.3g} nats")


if __name__ == "__main__":
    main(*sys.argv[1:])
