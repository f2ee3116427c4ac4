"""Makes the tokenizer: a sentencepiece unigram model whose pieces are the grammar's whole words, plus letters and digits.

    python make_tokenizer.py WORK        writes WORK/tokenizer/{spiece.model, tokenizer.json, tokenizer_config.json}
"""

import argparse
import os
import shutil

import numpy
import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import T5TokenizerFast

import config
import grammar

CORPUS_CAPTIONS = 20000
SPELLING_LINES = 400  # so that letters and digits are pieces too, and an unknown word is spelled
WORD_SCORE = -3.0  # log-probability: better than any spelling of the word


def make(work: str):
    folder = os.path.join(work, "tokenizer")
    sources = os.path.join(work, "tokenizer_sources")
    for path in (folder, sources):
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(path)
    rng = numpy.random.default_rng(0)
    corpus = os.path.join(sources, "corpus.txt")
    with open(corpus, "w") as file:
        for _ in range(CORPUS_CAPTIONS):
            file.write(grammar.sample_caption(grammar.sample_any_scene(rng), rng) + "\n")
        file.write((" ".join("abcdefghijklmnopqrstuvwxyz0123456789.,") + "\n") * SPELLING_LINES)
    sentencepiece.SentencePieceTrainer.train(
        input=corpus, model_prefix=os.path.join(sources, "spiece"), model_type="unigram", vocab_size=256,
        hard_vocab_limit=False, character_coverage=1.0, normalization_rule_name="nmt_nfkc_cf",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>", eos_piece="</s>", unk_piece="<unk>",
        user_defined_symbols=["\u2581" + word for word in grammar.all_words()], minloglevel=2)
    # User-defined pieces would match inside longer words; ordinary ones take part in the best segmentation.
    model = sentencepiece_model_pb2.ModelProto()
    path = os.path.join(sources, "spiece.model")
    with open(path, "rb") as file:
        model.ParseFromString(file.read())
    for piece in model.pieces:
        if piece.type == piece.USER_DEFINED:
            piece.type, piece.score = piece.NORMAL, WORD_SCORE
    with open(path, "wb") as file:
        file.write(model.SerializeToString())
    tokenizer = T5TokenizerFast.from_pretrained(sources, extra_ids=0)
    tokenizer.save_pretrained(folder)
    shutil.copy(path, folder)
    check(tokenizer, sentencepiece.SentencePieceProcessor(model_file=path))
    return tokenizer


def check(tokenizer, processor):
    """Both forms of the tokenizer agree on the captions, and every word or comma is one piece."""
    for text in grammar.some_captions():
        pieces = processor.encode(text)
        if tokenizer(text).input_ids != pieces + [tokenizer.eos_token_id]:
            raise RuntimeError(f"tokenizer.json and spiece.model disagree on {text!r}")
        if len(pieces) != len(text.replace(",", " ,").split()) or len(pieces) >= config.MAX_CAPTION_TOKENS:
            raise RuntimeError(f"not one piece a word: {text!r} gives {processor.encode(text, out_type=str)}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work")
    print(len(make(parser.parse_args().work)), "pieces")
