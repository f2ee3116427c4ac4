"""Makes tests/golden/data/text: small tokenizers with the ids that transformers gives, and prompts with what ftfy and
html make of them.

Needs Python 3.11, transformers 5.23.0 (tokenizers 0.23.3), sentencepiece 0.2.3, protobuf 7.36.2 and ftfy 6.3.1.
Run: python tests/golden/make_text_goldens.py   (a minute; writes below the folder of this script)

manifest.json lists the cases: a folder with tokenizer files, the class that opens it, the file of ids. Each line of an
ids file belongs to the text of that line in texts.json: the ids, or for a long text "#", their count, and their hash
(FNV-1a, 64 bits, over each id as four little-endian bytes). padded.json holds calls with truncation and padding.
clean.json holds [prompt, cleaned prompt]. A text that is [unit, n] is the unit n times.
"""

import base64
import html
import html.entities
import io
import json
import pathlib
import random
import re
import shutil
import tempfile

import ftfy
import sentencepiece
import transformers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer

OUT = pathlib.Path(__file__).resolve().parent / "data" / "text"
LONG = 600  # ids; longer lists are stored as a hash

SENTENCES = """
a red sphere bounces on a green floor, seen from above
The quick brown fox jumps over the lazy dog; two dogs sleep (quietly) by the fire.
An astronaut rides a horse on the moon, cinematic lighting, 35 mm film, highly detailed!
Une jeune fille à la plage, où l'été finit déjà; le garçon mange une crêpe près du café.
Ein schöner Herbsttag: größere Bäume, süße Äpfel und ein müder Fuchs auf der Straße.
El niño pequeño corrió mañana por la montaña; ¿dónde está el corazón?
Czerwona kula odbija się od zielonej podłogi, żółty sześcian stoi obok źródła.
Trái bóng đỏ nảy trên sàn nhà màu xanh; người đàn ông đang chạy.
Красная сфера прыгает по зелёному полу, синий куб медленно вращается под дождём.
Кіт сидить на вікні й дивиться на сніг; їжак їсть яблуко.
Η κόκκινη σφαίρα αναπηδά στο πράσινο πάτωμα, ο μπλε κύβος περιστρέφεται.
كرة حمراء تقفز على أرضية خضراء والقط يجلس بجانب النافذة
כדור אדום קופץ על רצפה ירוקה וחתול יושב ליד החלון
एक लाल गेंद हरे फर्श पर उछलती है और नीला घन घूमता है
ลูกบอลสีแดงเด้งบนพื้นสีเขียว แมวนั่งอยู่ข้างหน้าต่าง
一只红色的球在绿色的地板上弹跳,蓝色的立方体缓慢旋转。
赤い球が緑の床で跳ねる。青い立方体がゆっくり回転している。カメラはズームする
빨간 공이 초록색 바닥에서 튀고 파란 정육면체가 천천히 회전한다
წითელი ბურთი ხტება მწვანე იატაკზე
կարմիր գնդակը ցատկում է կանաչ հատակին
1 2 3 4 5 6 7 8 9 0 10 24 60 120 480p 720p 16:9 2025 3.14 100% $5 #1 @home 50/50 a+b=c x*y <b> [c] {d} ~ ^ | \\ " ' `
""".strip().split("\n")


def normalisation_rules():
    """A small set of rules in SentencePiece's format: case, width, ligatures, spaces, compositions, removals."""
    rules = {chr(c): chr(c + 32) for c in range(ord("A"), ord("Z") + 1)}
    rules.update({chr(c): chr(c).lower() for c in range(0x0410, 0x0430)})
    rules.update({chr(0xFF01 + i): chr(0x21 + i).lower() for i in range(94)})
    rules.update({"ﬁ": "fi", "ﬂ": "fl", "ﬀ": "ff", "ﬃ": "ffi", "æ": "ae", "ß": "ss", "™": "tm", "½": "1/2", "…": "..."})
    rules.update({c: " " for c in "\t\n\r\u00a0\u2002\u2003\u3000\u200b\u2028"})
    rules.update({c: "" for c in "\u00ad\ufeff\u0007"})
    for base in "aeioucAEIOUC":
        for mark, name in (("\u0301", "é"), ("\u0308", "ë"), ("\u0327", "ç")):
            rules[base + mark] = name
    rules.update({"\u30ab\u3099": "\u30ac", "\uff76\uff9e": "\u30ac", "\uff76": "\u30ab",
                  "\u1100\u1161\u11a8": "\uac01", "①": "1", "\u212b": "\u00e5"})
    return rules


def train(folder, vocab_size, rules=None, sentences=SENTENCES, **options):
    """Trains folder/spiece.model (mT5's layout unless `options` say otherwise) and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1, model_type="unigram", character_coverage=0.98,
                    hard_vocab_limit=False, num_threads=1, minloglevel=2)
    settings.update(options)
    if rules is not None:
        table = folder / "rules.tsv"
        lines = (" ".join(f"{ord(c):X}" for c in key) + "\t" + " ".join(f"{ord(c):X}" for c in value)
                 for key, value in sorted(rules.items()))
        table.write_text("\n".join(lines) + "\n")
        settings["normalization_rule_tsv"] = str(table)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(sentences * 20), model_writer=model,
                                             vocab_size=vocab_size, **settings)
    if rules is not None:
        table.unlink()
    (folder / "spiece.model").write_bytes(model.getvalue())


def json_copy(source, target, **options):
    """What transformers saves of the tokenizer at `source`: tokenizer.json and tokenizer_config.json."""
    transformers.T5TokenizerFast.from_pretrained(source, **options).save_pretrained(target)
    write_json(target / "tokenizer.json", json.loads((target / "tokenizer.json").read_text()))  # without its blanks


def charsmap_of(folder):
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((folder / "spiece.model").read_bytes())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def backend_json(source, target, normalizer, pre_tokenizer, template, added=(), config=None, **model):
    """A tokenizer.json of our own making from the pieces at `source`, for the class that takes the file as it is."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((source / "spiece.model").read_bytes())
    special = [{"id": i, "content": proto.pieces[i].piece, "single_word": False, "lstrip": False, "rstrip": False,
                "normalized": False, "special": True} for i in range(3)]
    settings = {"type": "Unigram", "unk_id": 2, "byte_fallback": False}
    settings.update(model)
    settings["vocab"] = [[piece.piece, piece.score] for piece in proto.pieces]
    processor = None
    if template:
        pieces = [{"Sequence": {"id": "A", "type_id": 0}} if name == "$A" else
                  {"SpecialToken": {"id": name, "type_id": 0}} for name in template]
        ids = {"</s>": 1, "<pad>": 0}
        pair = pieces + [{"Sequence": {"id": "B", "type_id": 1}}]
        processor = {"type": "TemplateProcessing", "single": pieces, "pair": pair,
                     "special_tokens": {n: {"id": n, "ids": [ids[n]], "tokens": [n]} for n in template if n != "$A"}}
    content = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": special + list(added),
               "normalizer": normalizer, "pre_tokenizer": pre_tokenizer, "post_processor": processor, "decoder": None,
               "model": settings}
    Tokenizer.from_str(json.dumps(content))
    target.mkdir(parents=True)
    write_json(target / "tokenizer.json", content)
    write_json(target / "tokenizer_config.json", {"pad_token": "<pad>", "eos_token": "</s>", **(config or {})})


def write_json(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n")


def token(identity, content, **options):
    return {"id": identity, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": False, **options}


def build(root):
    """Makes every tokenizer folder; returns the cases [(name, class)] whose ids are stored, others under `same_as`."""
    t5, as_is = "T5TokenizerFast", "TokenizersBackend"
    cases = []
    # The rules that mT5 and UMT5 carry, in a model file alone: default extra ids.
    train(root / "nfkc_spm", 700, normalization_rule_name="nmt_nfkc")
    cases.append(("nfkc_spm", t5))
    # With case folding, as transformers saves it; 300 extra ids.
    train(root / "scratch_cf", 500, normalization_rule_name="nmt_nfkc_cf")
    json_copy(root / "scratch_cf", root / "casefold_json", extra_ids=300)
    cases.append(("casefold_json", "T5Tokenizer"))
    # Identity normalisation and byte pieces: T5's class does not fall back to them.
    train(root / "bytes_spm", 700, normalization_rule_name="identity", byte_fallback=True)
    json_copy(root / "bytes_spm", root / "bytes_json")
    cases += [("bytes_spm", t5), ("bytes_json", t5)]
    # Own rules, control and user-defined symbols, no extra ids.
    train(root / "rules_spm", 450, rules=normalisation_rules(), user_defined_symbols=["<cam>", "zoom in", "▁▁"],
          control_symbols=["<mask>"])
    write_json(root / "rules_spm" / "tokenizer_config.json", {"extra_ids": 0})
    json_copy(root / "rules_spm", root / "rules_json")
    cases += [("rules_spm", t5), ("rules_json", t5)]
    # UMT5's order of special tokens: <unk> is 3, but T5's class says 2.
    train(root / "umt5_spm", 600, rules=normalisation_rules(), bos_id=2, unk_id=3, byte_fallback=True)
    write_json(root / "umt5_spm" / "tokenizer_config.json", {
        "extra_ids": 20, "additional_special_tokens": [f"<extra_id_{i}>" for i in range(20)],
        "added_tokens_decoder": {str(620 - 1 - i): {k: v for k, v in token(0, f"<extra_id_{i}>", special=True).items()
                                                    if k != "id"} for i in range(20)},
        "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", "sp_model_kwargs": {},
        "model_max_length": 512, "tokenizer_class": "T5Tokenizer"})
    cases.append(("umt5_spm", t5))
    # A folder of older days: special_tokens_map.json and added_tokens.json.
    legacy = root / "legacy_spm"
    shutil.copytree(root / "umt5_spm", legacy)
    write_json(legacy / "tokenizer_config.json", {"extra_ids": 0, "eos_token": "</s>", "truncation_side": "left",
                                                  "image_token": "<image>", "bos_token": None})
    write_json(legacy / "special_tokens_map.json", {
        "eos_token": {"content": "</s>", "lstrip": False, "normalized": False, "rstrip": True, "single_word": False},
        "pad_token": "<pad>", "unk_token": "<unk>", "sep_token": "[SEP]"})
    write_json(legacy / "added_tokens.json", {"Sphere": 700, "[SEP]": 701, "rote  Kugel": 702})
    cases.append(("legacy_spm", t5))
    # tokenizer.json as it is.
    train(root / "scratch_tiny", 450, rules=normalisation_rules(), sentences=SENTENCES[:10], byte_fallback=True)
    tiny = root / "scratch_tiny"
    rules = {"type": "Precompiled", "precompiled_charsmap": charsmap_of(tiny)}
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    sequence = lambda *steps: {"type": "Sequence", "normalizers": list(steps)}
    words = lambda *steps: {"type": "Sequence", "pretokenizers": list(steps)}
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    strip = lambda left, right: {"type": "Strip", "strip_left": left, "strip_right": right}
    odd = [token(900, "Sphere", normalized=True), token(901, "cube", single_word=True), token(902, "<l>", lstrip=True),
           token(903, "<r>", rstrip=True), token(904, "<lr>", lstrip=True, rstrip=True, single_word=True),
           token(905, "FLOOR ", normalized=True), token(906, "a", single_word=True, normalized=True)]
    backend_json(tiny, root / "backend_bytes", sequence(rules, strip(False, True), spaces), metaspace, ["$A", "</s>"],
                 byte_fallback=True)
    backend_json(tiny, root / "backend_first", sequence({"type": "NFKC"}, {"type": "Lowercase"}, {"type": "Nmt"}),
                 {**metaspace, "prepend_scheme": "first", "split": False}, ["<pad>", "$A", "</s>", "</s>"], added=odd)
    backend_json(tiny, root / "backend_never",
                 sequence({"type": "Replace", "pattern": {"String": "the "}, "content": ""}, strip(True, False),
                          {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "},
                          {"type": "Prepend", "prepend": "▁"}),
                 words({"type": "WhitespaceSplit"}, {**metaspace, "prepend_scheme": "first"}), ["$A", "</s>"],
                 added=odd,
                 config={"extra_special_tokens": ["<extra_id_0>", "<new>"]}, byte_fallback=True)
    backend_json(tiny, root / "backend_bare", sequence({"type": "NFD"}, {"type": "StripAccents"}, {"type": "NFC"}),
    None,
                 None, unk_id=0)
    cases += [(name, as_is) for name in ("backend_bytes", "backend_first", "backend_never", "backend_bare")]
    for scratch in root.glob("scratch_*"):
        shutil.rmtree(scratch)
    return cases


def texts():
    """The texts of the corpus."""
    rng = random.Random(20250301)
    result = list(SENTENCES) + ["", " ", "   ", "\n", "a", "A", "▁", "▁▁a", "a▁b", "\u0000", "a\u0000b", "\ufeffa",
    "~~~"]
    result += [
        # special tokens
        "</s>", "<pad>", "<unk>", "<s>", "a</s>b", "a </s> b", " </s> ", "a<pad><pad>b", "<extra_id_0>",
        "<extra_id_99>",
        "<extra_id_100>", "<extra_id_299>", "<extra_id_300>", "<extra_id_0> a <extra_id_1> b <extra_id_2>",
        "<extra_id_0",
        "<extra_id_00>", "＜/s＞", "</S>", "<EXTRA_ID_0>", "x<extra_id_5>y", "the <mask> is <cam>here", "zoom in now",
        "zoom  in", "a zoom into", "<0x41>", "<0x0A><0xFF>", "Sphere sphere SPHERE spheres", "cube cubes _cube cube.",
        "a  <l>  b  <r>  c  <lr>  d", "a<lr>b", "FLOOR floor  floor\u3000x", "<image>[SEP]<new>", "rote  Kugel",
        "rote Kugel",
        "</s></s>  </s>\u00a0x", "<extra_id_1><extra_id_11><extra_id_111>",
        # spaces
        "a\u00a0b", "a\u3000b", "a\u200bb", "a\tb\nc\r\nd", "a\u2028b\u2029c", "a\u0085b", "a\u1680b\u2003c\u202fd",
        "  two  spaces  ",
        "a\u001cb\u001fc", "\u3000\u3000", "end ", " start", "a \u0301 b", "a\u200db\u200cc", "a\u2060b\u180eb",
        # emoji
        "😀", "👍🏽 ok", "👩‍👩‍👧‍👦 family", "🏴󠁧󠁢󠁷󠁬󠁳󠁿 Wales", "🇩🇪🇫🇷🇯", "❤️ ♥︎", "1️⃣2️⃣", "🧑🏿‍🚀🚀", "©️ ™ ®", "a👍b", "🫠🪿🩷",
        # marks, width, ligatures, compositions
        "é", "e\u0301", "\u00c5", "\u212b", "A\u030a", "ç ç", "ａｂｃ　ＡＢＣ", "ｶﾞｷﾞ ｱ", "ガ カ\u3099", "ﬁﬂﬀﬃ ﬅ", "①②③ ½ …",
        "ＦＬＯＯＲ　",
        "\uac01 \u1100\u1161\u11a8", "한글 \u1112\u1161\u11ab\u1100\u1173\u11af", "가\u11a8나", "ㄱㄴ",
        "q\u0323\u0307 q\u0307\u0323", "a\u0301\u0302\u0303\u0304\u0305", "\u0301", "\u0301a",
        "क्षि स्त्री र्क", "กำ น้ำ เก้า", "ง่าย", "שָׁלוֹם", "اَلْعَرَبِيَّةُ", "ﷺ ﻻ", "İıŞş ǅ ŉ", "ΌΣΟΣ ς", "ẞß SS",
        "ﾡﾢ", "Ａ\u0301Ａ\u20dd",
        "A\u0897 A\U00010d69", "\u00c5\u212bA\u030a", "x\u00adyz", "\u0007bell", "e\u0301\u0301 c\u0327\u0301",
        # controls and rare planes
        "\x01\x02a\x7f", "a\x1b[31mb", "\ufffd\ufffe\uffff", "\U0010ffff \U000e0001", "𝔘𝔫𝔦 𝟘𝟙", "𠀀𠮷", "\ud7ff\ue000",
        "http://a.b/c?d=e&f=g#h", "C:\\dir\\x", "{\"k\": [1, 2]}", "a--b__c", "!!!???...", "“quoted” ‘text’ — dash",
        "5 µm 20 °C",
    ]
    alphabets = ["abcdefghij ABC", "äöüßéèñç ", "абвгдежз ", "αβγδε ς", "ابتثج ", "אבגד ", "कखगि्", "กขคำ", "的一是红绿",
    "あいうガカ",
                 "가각나다", "ㄱ가각", "\u0301\u0308ae", "😀👍🏽‍️", "\u00a0\u3000\u200b \t", "Ａａｶﾞ", "\x00\x07\x1f\x7f",
                 "▁ <>/s", "0123456789", ",.;:!?()", "\U0001f1e6\U0001f1ff"]
    while len(result) < 520:
        pick = rng.sample(alphabets, rng.randint(1, 3))
        result.append("".join(rng.choice(rng.choice(pick)) for _ in range(rng.randint(1, 30))))
    words = " ".join(SENTENCES).split()
    while len(result) < 560:
        result.append(" ".join(rng.choice(words) for _ in range(rng.randint(3, 40))))
    mixed = " ".join(rng.choice(words) for _ in range(2500))
    result += [mixed[:10000], "a" * 10000, "红" * 10000, "a\u0301" * 5000, "</s>" * 2500, "<extra_id_0> " * 800,
    " " * 10000,
               "😀" * 10000, "x \u0000\u200b" * 2500]
    return result


def prompts():
    """What CleanPrompt is tried on, beside the corpus."""
    names = sorted(html.entities.html5)
    result = [" ".join("&" + name for name in names),
              " ".join("&" + name.upper() for name in names if name.endswith(";")),
              "".join("&" + name.rstrip(";") + "q " for name in names)]
    result += [f"&#{n};" for n in (0, 9, 10, 11, 12, 13, 32, 38, 59, 60, 127, 128, 129, 150, 159, 160, 0xAD, 0x2028,
    0xD800,
                                   0xFDD0, 0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF, 0x110000, 10**30)]
    result += [f"a&#x{n:x}b &#X{n:X}; &#{n}z" for n in (0, 11, 13, 0x41, 0x80, 0x9F, 0xDFFF, 0x1FFFE, 0x20AC)]
    result += [
        "&", "&;", "&#", "&#;", "&#x;", "&#xg;", "&amp", "&amp;", "&amp;amp;", "&amp;amp;amp;lt;b&amp;gt;",
        "&ampamp;", "&notit; &notin;",
        "&notindot", "&nosuch; &nosuch", "&EACUTE;&NTILDE;&SZLIG;", "&eAcute;", "&CounterClockwiseContourIntegral;",
        "&lt;b&gt; &amp;",
        "<b>&amp;</b>", "first &eacute;\n<b> &eacute;\nthird &eacute;", "&#38;#38;#60;", "&copy 2025 &copy;right",
        "&" * 40, "&abc" * 20,
        "&" + "x" * 40 + ";", "&gt&lt;&quot;&apos;", "&nbsp;a&nbsp;b&nbsp;", "&NewLine;&Tab;x", "&zwj;&zwnj;&shy;",
        "&fjlig;",
        "“a” ‘b’ „c‟ ‚d‛ ʼe", "it’s", "ﬁﬂﬀﬃﬄﬅﬆ Ĳĳ ŉ ǱǲǳǄǅǆǇǈǉǊǋǌ", "ＬＯＵＤ　ＮＯＩＳＥＳ", "ｶﾞﾊﾟ ｱｲｳ ﾡﾢ ￠￡￥￦ ￣",
        "a\r\nb\rc\u2028d\u2029e\x85f", "\r\r\n\n", "\x1b[31mred\x1b[0m \x1b[1;2;3X \x1b[ \x1b[12 \x1b[٣m",
        "\x00\x01\x08\x0b\x0e\x1f\x7f",
        "\u206a\u206f\ufeffx\ufff9\ufffb\ufffc\ufffd", "\x80\x85\x91\x92\x9f\x81\x8d",
        "e\u0301 A\u030a \u1100\u1161\u11a8", "q\u0307\u0323",
        " \t\n\x0b\x0c\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000 x \u180e\u200b\u2060 y ",
        "", "   ", "\n\n\n",
        "a  b   c", "Ω K Å ℃ ①", "mixed &lt;i&gt; and <i>", "&lt;i&gt;\nand <i> then &lt;\n&gt;",
        "\U0001f469\u200d\U0001f680 ok", "ʼn",
        "&amp;#x2019; &amp;eacute;", "caf&eacute &Eacute;t&eacute;", "R&D AT&T Q&A &c. &co;",
        "x&y=1&copy=2&reg=3&para=4",
    ]
    rng = random.Random(7)
    bits = ["&amp;", "&lt", "&eacute;", "&#8217;", "&#x1F600;", "<", ">", "“", "’", "ﬁ", "Ａ", "　", "ｶ", "ﾞ", "e",
    "\u0301", "\r\n", "\n",
            "\x1b[0m", "\x07", "\u200b", " ", "  ", "word", "Ж", "红", "&", ";", "#", "\x85", "\x92", "&NTILDE;",
            "&amp;amp;", "\u1100\u1161"]
    result += ["".join(rng.choice(bits) for _ in range(rng.randint(1, 14))) for _ in range(300)]
    return result


def clean(text):
    """diffusers' prompt_clean, without ftfy's repair of wrongly decoded text."""
    text = ftfy.fix_text(text, fix_encoding=False)
    text = html.unescape(html.unescape(text)).strip()
    return re.sub(r"\s+", " ", text).strip()


def packed(text):
    """A long text that is one unit again and again as [unit, times]."""
    unit = next((text[:n] for n in range(1, 20) if text[:n] * (len(text) // n) == text),
    text) if len(text) > 500 else text
    return text if unit == text else [unit, len(text) // len(unit)]


def stored(ids):
    if len(ids) <= LONG:
        return " ".join(map(str, ids))
    value = 0xCBF29CE484222325
    for identity in ids:
        for byte in identity.to_bytes(4, "little"):
            value = ((value ^ byte) * 0x100000001B3) % (1 << 64)
    return f"# {len(ids)} {value:016x}"


def open_tokenizer(folder, class_name):
    return getattr(transformers, class_name).from_pretrained(str(folder))


def main():
    if OUT.exists():
        shutil.rmtree(OUT)
    (OUT / "models").mkdir(parents=True)
    cases = build(OUT / "models")
    corpus = texts()
    write_json(OUT / "texts.json", [packed(text) for text in corpus])
    manifest, known, padded = [], {}, []
    for name, class_name in cases:
        tokenizer = open_tokenizer(OUT / "models" / name, class_name)
        ids = "\n".join(stored(tokenizer(text).input_ids) for text in corpus) + "\n"
        if ids not in known:
            known[ids] = f"ids_{name}.txt"
            (OUT / known[ids]).write_text(ids)
        manifest.append({"folder": name, "class": class_name, "ids": known[ids], "pad_id": tokenizer.pad_token_id})
        fixed = tokenizer.num_special_tokens_to_add()
        for index in (0, 1, 2, 8, 21, 27, 33, len(corpus) - 9, len(corpus) - 5):
            for length in (max(fixed, 1), 6, 16, 512):
                call = tokenizer([corpus[index]], padding="max_length", max_length=length, truncation=True,
                                 add_special_tokens=True, return_attention_mask=True)
                count = sum(call.attention_mask[0])
                assert all(i == tokenizer.pad_token_id for i in call.input_ids[0][count:])
                padded.append([name, index, length, stored(call.input_ids[0][:count])])
    write_json(OUT / "manifest.json", manifest)
    write_json(OUT / "padded.json", padded)
    pairs = [[text, clean(text)] for text in prompts() + [text for text in corpus if len(text) < 2000]]
    write_json(OUT / "clean.json", pairs)
    changed = sum(ftfy_all != cleaned for ftfy_all, cleaned in
                  ((re.sub(r"\s+", " ", html.unescape(html.unescape(ftfy.fix_text(text))).strip()).strip(), cleaned)
                   for text, cleaned in pairs))
    size = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    print(f"{len(cases)} tokenizers, {len(corpus)} texts, {len(padded)} padded calls, {len(pairs)} prompts "
          f"(ftfy's mojibake repair would change {changed}), {size} bytes")


if __name__ == "__main__":
    main()
