"""Holds the files of banks in these folders against what others know of them: XML against the schemas of ISO 20022, the encodings
of 1C against Python's codecs. `./check files` runs it, with xmlschema and the packages that have the schemas."""

import importlib.util
import pathlib
import re
import sys

import xmlschema

HERE = pathlib.Path(__file__).parent
MESSAGE = re.compile(r"urn:iso:std:iso:20022:tech:xsd:((?:pain|camt)\.\d{3}\.\d{3}\.\d{2})")
FOLDERS = {"pain": ("sepaxml", "schemas"), "camt": ("camt053", "xsd")}


def schema(message):
    """The schema of a message, from the package that has it. The package itself is not imported."""
    package, folder = FOLDERS[message[:4]]
    home = importlib.util.find_spec(package).submodule_search_locations[0]
    return xmlschema.XMLSchema(pathlib.Path(home) / folder / f"{message}.xsd")


def check_xml():
    schemas, count = {}, 0
    for path in sorted(HERE.glob("*/*.xml")):
        message = MESSAGE.search(path.read_text("utf-8")).group(1)
        if message not in schemas:
            schemas[message] = schema(message)
        errors = list(schemas[message].iter_errors(str(path)))
        if errors:
            sys.exit(f"{path.name} is not {message}: {errors[0]}")
        count += 1
    return f"{count} files of {', '.join(sorted(schemas))}"


def check_encodings():
    def text(name, encoding):
        return (HERE / name).read_bytes().decode(encoding).replace("\ufeff", "")

    def plain(text, declared):
        assert f"\r\nКодировка={declared}\r\n" in text and "\n" not in text.replace("\r\n", ""), text[:80]
        return text.replace(f"Кодировка={declared}", "")

    utf8 = plain(text("files/1c-utf8.txt", "utf-8"), "UTF-8")
    assert plain(text("files/1c-windows.txt", "cp1251"), "Windows") == utf8
    # Code page 866 has no such quotes.
    assert plain(text("files/1c-dos.txt", "cp866"), "DOS") == utf8.replace("«", '"').replace("»", '"')
    count = 3
    for path in sorted(HERE.glob("golden/utf8-*.txt")):
        windows = path.name.removeprefix("utf8-")
        assert plain(text(f"golden/{windows}", "cp1251"), "Windows") == plain(text(f"golden/{path.name}", "utf-8"), "UTF-8")
        count += 2
    assert count > 3, "no golden file of 1C is there"
    return f"{count} files of 1C"


print(f"{check_xml()}, and {check_encodings()}: all as others know them")
