"""Writes html5_entities.inc from Python's html.entities.html5 (the WHATWG table of named character references).

Run: python3 make_html5_entities.py > html5_entities.inc
Two lists, each sorted by the bytes of the name, of {name without '&', up to three code points}:
  SPARGE_HTML5      every name of the standard, with its ';' where the name has one
  SPARGE_HTML5_CAPS names in capitals that the standard does not know ("EACUTE;"); ftfy reads them as the capital letter
"""

import html
import html.entities


def upper_case_names():
    names = {}
    for name, value in html.entities.html5.items():
        capitals = "&" + name.upper()
        if name.endswith(";") and name == name.lower() and html.unescape(capitals) == capitals:
            names[name.upper()] = value.upper()
    return names


def write(macro, table):
    line = ""
    print(f"#define {macro} \\")
    for name, value in sorted(table.items(), key=lambda item: item[0].encode()):
        assert len(value) <= 3
        entry = '{"%s",{%s}},' % (name, ",".join(f"0x{ord(char):X}" for char in value))
        if len(line) + len(entry) > 116:
            print(line + " \\")
            line = ""
        line += entry
    print(line)


print("// Written by make_html5_entities.py; do not edit.")
write("SPARGE_HTML5", html.entities.html5)
write("SPARGE_HTML5_CAPS", upper_case_names())
