"""A Llama of a few thousand random weights with a tokenizer of words, written to a folder.

Run as a program with that folder: nothing is fetched, and the test's process loads no transformers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

WORDS = 512
TEMPLATE = "{% for m in messages %}{{ m['content'] }} {% endfor %}"


def write(folder: Path) -> None:
    """Weights, config and tokenizer of a network that any server of transformers can load."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    known = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3}
    known |= {f"w{i}": i for i in range(4, WORDS)}
    words = Tokenizer(models.WordLevel(known, unk_token="<unk>"))  # noqa: S106 (no password)
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    fast: Any = PreTrainedTokenizerFast  # its types vary with the release
    tokenizer = fast(
        tokenizer_object=words,
        pad_token="<pad>",  # noqa: S106
        bos_token="<s>",  # noqa: S106
        eos_token="</s>",  # noqa: S106
        unk_token="<unk>",  # noqa: S106
        chat_template=TEMPLATE,
    )
    tokenizer.save_pretrained(folder)
    endless = folder / "generation_config.json"
    endless.write_text(json.dumps({"eos_token_id": None, "pad_token_id": 0, "do_sample": False}))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
