"""Translation: is the kernel of infinite dimension the better one?"""

from __future__ import annotations

from rkbs.data.gdsc import DataNotFoundError
from verify.harness.evidence import Check, Evidence, Verdict, greatest, least
from verify.harness.ledger import claim
from verify.harness.run import Run
from verify.harness.sweep import sweep
from verify.studies.by_dimension import evidence
from verify.studies.findings import Runs, soundness
from verify.studies.translation import BLOCKS, configurations, encoded, unigram_nll, work

MEASURED = ("nll", "saved", "encoder", "decoder", "cross")


def block_of(run: Run) -> str:
    """The declared runs; on a GPU longer ones, that are judged by BLEU; or a slice of them."""
    on_device = "long" if run.device.startswith("cuda") else "declared"
    return run.pick(quick="slice", full=on_device)


@claim(
    title="Translation: infinite against finite dimension",
    origin="paper",
    finding={
        Verdict.HOLDS_IF: "A blunt kernel of infinite dimension translates worse than a sharp one "
        "of finitely many features; a sharp one better than uniform attention.",
        Verdict.UNCONFIRMED: "The comparisons that were declared do not settle it.",
    },
    statement="Attention with a kernel of infinite dimension translates better than attention with "
    "a kernel of finite dimension",
    source="Wright & Gonzalez (2021), section 5, the experiments on IWSLT14 DE-EN; theory §5, What "
    "infinite dimension buys",
    method="Encoder–decoders from Multi30k's German to its English, 2 + 2 layers of 4 heads, that "
    "differ in the kernel alone: the same initial weights and batches for a seed; outcome: NLL of "
    "a token of a split that nothing was chosen on. Hypotheses and predictors were declared before "
    "the runs, self-weights and dimensions as of sec5.text; runs of another declaration do not "
    "count. t intervals of paired differences, Holm over all. A difference of an infinite and a "
    "finite kernel is a counterexample where the infinite one is the blunter of the two by "
    "attainable self-weight, and belongs to the condition where it is the sharper one. Sound: "
    "every model translates a sentence worse when it is given the source of another",
    scope="one small corpus (29 000 captions), one size of model, one recipe, chosen with EDP and "
    "uniform attention on another split with a seed of its own; 5 kernels at d = 2 and 16, 3 "
    "seeds, one epoch, far from convergence. The paper compares BLEU after long training: NLL on a "
    "CPU says nothing of it; on a GPU the runs are longer, and judged by BLEU. A layer has the "
    "same kernel within both sides and between them: uniform cross-attention gives every word of "
    "the target the same mean of the source's points, which can say what words there are and not "
    "which one is next, so the comparison with it is of alignment, and not of dimension. Quick: "
    "one epoch of 640 captions, 4 kernels at d = 16, another seed: signs, no interval, "
    "and nothing of the source yet",
    on_device=True,
)
def translation(run: Run) -> Evidence:
    """The matrix of a block; of a slice, signs."""
    block = block_of(run)
    try:
        encoded(block)
    except DataNotFoundError as error:
        return Evidence(skipped=f"{error}")
    cells = configurations(block, first=run.pick(quick=run.seed, full=0))
    results = sweep(run, work, cells, "sec5.translation")
    runs = Runs(BLOCKS[block], cells, results, whole=block != "slice")
    unigram, worst = unigram_nll(block), greatest(results, key="nll")
    saved = least(results, key="saved")
    sound = (
        *soundness(runs, "tokens"),
        # What knows neither the source nor the order of the tokens is not below their frequencies.
        Check("NLL of the tokens' frequencies − of the worst run", unigram - worst, ">", 0),
        # A slice ends before cross-attention has learned anything.
        *run.pick(quick=(), full=(Check("NLL with another source − with the own", saved, ">", 0),)),
    )
    by_bleu = block == "long"
    measure = "100 − BLEU" if by_bleu else "NLL"
    data = {"unigram": unigram, "measure": measure}
    return evidence(runs, sound, measure, data, (*MEASURED, "bleu") if by_bleu else MEASURED)
