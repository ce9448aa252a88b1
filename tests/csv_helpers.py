"""The tables that README reads, and what became of the drugs that are asked."""

import numpy as np
import pandas as pd


def write_tables(folder, n_drugs=40, n_targets=25, n_new=6, seed=0):
    """The five files; the responses of all pairs of ``asked.csv``, in its order."""
    rng = np.random.default_rng(seed)
    F, G = rng.normal(size=(n_drugs + n_new, 3)), rng.normal(size=(n_targets, 2))
    Z = (
        np.sin(F[:, :1] + G[:, 0])
        + 0.5 * F[:, 1:2] * G[:, 1]
        + 0.1 * rng.normal(size=(len(F), n_targets))
    )
    drugs = pd.DataFrame(F, index=[f"D{k}" for k in range(len(F))], columns=list("abc"))
    targets = pd.DataFrame(G, index=[f"T{k}" for k in range(n_targets)], columns=list("uv"))
    drugs[:n_drugs].to_csv(folder / "drugs.csv")
    drugs[n_drugs:].to_csv(folder / "new_drugs.csv")
    targets.to_csv(folder / "targets.csv")
    all_pairs = pd.MultiIndex.from_product([drugs.index, targets.index], names=["drug", "target"])
    table = pd.Series(Z.ravel(), all_pairs, name="z").reset_index()
    known = table[: n_drugs * n_targets].sample(frac=0.8, random_state=seed)
    known.to_csv(folder / "affinities.csv", index=False)
    asked = table[n_drugs * n_targets :]
    asked[["drug", "target"]].to_csv(folder / "asked.csv", index=False)
    return asked.z.to_numpy()
