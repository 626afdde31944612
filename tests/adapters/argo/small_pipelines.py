"""Plain pipelines as a user writes them, one for each thing that is translated, and some for what is not.

No `from __future__ import annotations`: kfp reads the annotations themselves.
"""

from typing import NamedTuple

from kfp import dsl

IMAGE = "tidemill/components:0"  # ours: where it runs, the settings name the real one
component = dsl.component(base_image=IMAGE, install_kfp_package=False)
NASTY = "{{workflow.name}} {{=1+1}} 'a' \"b\" \\ \n é 🌊 <&> %s"


@component
def number(n: int) -> int:
    return n


@component
def say(text: str) -> str:
    print(repr(text))
    return text


@component
def write(text: str, data: dsl.Output[dsl.Dataset]) -> NamedTuple("Out", [("length", int), ("flag", bool)]):  # type: ignore[valid-type]
    from pathlib import Path
    from typing import NamedTuple

    Path(data.path).write_text(text)
    data.metadata["shouted"] = text.upper()
    return NamedTuple("Out", [("length", int), ("flag", bool)])(len(text), True)


@component
def read(data: dsl.Input[dsl.Dataset]) -> str:
    from pathlib import Path

    return Path(data.path).read_text() + data.metadata["shouted"]


@component
def echo(given: dict, text: str, missing: str = None) -> dict:  # type: ignore[assignment] # noqa: RUF013
    return {"given": given, "text": text, "missing": missing}


@dsl.container_component
def shell(text: str, out: dsl.OutputPath(str), n: int = None):  # type: ignore[valid-type, assignment] # noqa: RUF013
    return dsl.ContainerSpec(
        image=IMAGE,
        command=["sh", "-c", 'mkdir -p "$(dirname "$0")"; echo "$@" > "$0"'],
        args=[out, dsl.ConcatPlaceholder(["--text=", text]), dsl.IfPresentPlaceholder("n", ["-n", n], ["--all"])],
    )


@component
def total(numbers: list) -> int:
    return sum(numbers)


@component
def many(data: dsl.Input[list[dsl.Dataset]]) -> int:
    return len(data)


@dsl.pipeline(name="branches")
def branches(n: int = 3, word: str = "Passed"):
    found = number(n=n)
    with dsl.If(found.output > 2):
        say(text="high")
    with dsl.Elif(found.output == 0):
        say(text="nothing")
    with dsl.Else():
        say(text="low")
    with dsl.If(word == "Passed", name="passed"):
        after = say(text="it passed")
        with dsl.If(found.output < 10.5):
            say(text="small").after(after)


@dsl.pipeline(name="one-of")
def one_of(n: int = 1):
    found = number(n=n)
    with dsl.If(found.output > 2):
        high = say(text="high")
    with dsl.Else():
        low = say(text="low")
    say(text=dsl.OneOf(high.output, low.output))


@dsl.pipeline(name="inner")
def inner(word: str, mark: str = "!") -> NamedTuple("Inner", [("said", str), ("data", dsl.Dataset)]):  # type: ignore[valid-type]
    written = write(text=word)
    said = say(text=mark)
    out = NamedTuple("Inner", [("said", str), ("data", dsl.Dataset)])  # noqa: UP014
    return out(said.output, written.outputs["data"])


@dsl.pipeline(name="nested")
def nested(word: str = "tide"):
    first, second = inner(word=word), inner(word="mill", mark="?")
    read(data=first.outputs["data"])
    read(data=second.outputs["data"])
    say(text=f"{first.outputs['said']} and {second.outputs['said']}")


@dsl.pipeline(name="loops")
def loops(items: list = ["a", "b", "c"], none: list = []):  # noqa: B006 (kfp takes the defaults as they are)
    with dsl.ParallelFor(items, parallelism=2) as item:
        read(data=write(text=item).outputs["data"])
        with dsl.If(item == "b"):
            say(text=item)
    with dsl.ParallelFor([{"s": "x", "t": "y"}, {"s": "z", "t": "w"}]) as pair:
        say(text=pair.t)
        say(text=pair.s)
    with dsl.ParallelFor(none) as nothing:
        say(text=nothing)


@dsl.pipeline(name="values")
def values(nasty: str = NASTY.replace("\n", ""), struct: dict = {"a": {"b": [1, 2.5, True]}}):  # noqa: B006
    first = say(text=nasty)
    say(text=first.output)
    echo(given=struct, text=NASTY)


@dsl.pipeline(name="settings")
def settings():
    shell(text="hi")
    told = say(text="x").set_cpu_limit("1").set_memory_limit("512M").set_memory_request("64M")
    told.set_env_variable("A", "b").set_retry(2, backoff_duration="1s").set_caching_options(False)
    shell(text="hi", n=2).after(told)


# not translated


@dsl.pipeline(name="collects")
def collects():
    with dsl.ParallelFor([1, 2]) as n:
        found = number(n=n)
    total(numbers=dsl.Collected(found.output))


@dsl.pipeline(name="exits")
def exits():
    with dsl.ExitHandler(say(text="bye")):
        say(text="hello")


@dsl.pipeline(name="ignores")
def ignores():
    first = say(text="a")
    say(text="b").after(first).ignore_upstream_failure()


@dsl.pipeline(name="imports")
def imports():
    read(data=dsl.importer(artifact_uri="s3://b/k", artifact_class=dsl.Dataset).output)


@dsl.pipeline(name="image-of-the-run")
def image_of_the_run(image: str):
    say(text="a").set_container_image(image)


@dsl.pipeline(name="lists")
def lists():
    with dsl.ParallelFor([1, 2]):
        made = write(text="a")
    many(data=dsl.Collected(made.outputs["data"]))


# turns whose steps cannot say why they failed


@component
def hungry() -> str:
    return "x" * len(bytes(bytearray(1 << 30)))


@component
def leaves() -> str:
    import sys

    print("PermissionError: no way in")
    sys.exit(3)


@dsl.pipeline(name="out-of-memory")
def out_of_memory(request_uri: str, request_digest: str):
    hungry().set_memory_limit("256M")


@dsl.pipeline(name="exits-early")
def exits_early(request_uri: str, request_digest: str):
    leaves()
