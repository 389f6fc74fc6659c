"""The escape corpus of the sandbox: sources that try to get out, to stay, to lie or to crash.

Each defines `f()`, which returns "escaped" if its deed succeeded. OUTSIDE stands for a folder that
anyone may write to, PORT for a port of this machine that listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent, indent

FIND = """
def find(name):
    try:
        return __import__(name)
    except Exception:
        pass
    for each in ().__class__.__base__.__subclasses__():
        try:
            modules = each.__init__.__globals__["sys"].modules
        except Exception:
            continue
        if name in modules:
            return modules[name]
"""


@dataclass(frozen=True)
class Attack:
    """without: how many layers, screening and then guard, may be gone and the deed still fails."""

    name: str
    source: str
    without: int = 2


def deed(name: str, body: str, without: int = 2) -> Attack:
    """An attack whose `f` runs `body`, which may `find` a module that it cannot import."""
    function = "def f():\n" + indent(dedent(body).strip(), "    ") + '\n    return "escaped"\n'
    return Attack(name, FIND + function if "find(" in body else function, without)


FILES = [
    deed("read a file", 'open("/etc/passwd").read()'),
    deed("read a file by io", 'find("io").open_code("/etc/passwd").read()'),
    deed("write a file", 'open("OUTSIDE/new", "w").write("x")'),
    deed("change a file", 'open("OUTSIDE/canary", "a").write("x")'),
    deed("write here", 'open("here", "w").write("x")'),
    deed("open by the recovered os", 'find("os").open("/etc/passwd", 0)'),
    deed("make a folder", 'find("os").mkdir("OUTSIDE/new")'),
    deed("delete a file", 'find("os").unlink("OUTSIDE/canary")'),
    deed("rename a file", 'find("os").rename("OUTSIDE/canary", "OUTSIDE/new")'),
    deed("open a file to all", 'find("os").chmod("OUTSIDE/canary", 0o777)'),
    deed("link to a file", 'find("os").symlink("/etc/passwd", "OUTSIDE/new")'),
    deed("list a folder", 'find("os").listdir("/")'),
    deed("delete the working folder", 'o = find("os")\no.rmdir(o.getcwd())'),
    deed("import from a folder", 'find("sys").path.append("OUTSIDE")\nimport planted'),
    deed(
        "an importer of its own",
        """
        class Finder:
            def find_spec(self, name, path, target=None):
                return find("_frozen_importlib").ModuleSpec(name, self, origin="x")
            def create_module(self, spec):
                return None
            def exec_module(self, module):
                module.deed = find("posix").open("/etc/passwd", 0)
        find("sys").meta_path.insert(0, Finder())
        import planted
        """,
    ),
]

PROCESSES = [
    deed("fork", 'find("os").fork()'),
    deed("fork bomb", 'while True:\n    find("os").fork()'),
    deed("fork by libc", 'assert find("ctypes").CDLL(None).fork() >= 0'),
    deed("run a command", 'assert find("os").system("touch OUTSIDE/new") == 0'),
    deed("run a subprocess", 'import subprocess\nsubprocess.run(["touch", "OUTSIDE/new"])'),
    deed("become another program", 'find("os").execv("/bin/touch", ["touch", "OUTSIDE/new"])'),
    deed("spawn", 'find("posix").posix_spawn("/bin/true", ["true"], {})'),
    deed("start a thread", 'find("_thread").start_new_thread(f, ())'),
    deed("leave its session", 'find("os").setsid()'),
    deed("kill the parent", 'o = find("os")\nassert o.getppid() > 1\no.kill(o.getppid(), 9)'),
    deed("become root again", 'find("os").setuid(0)'),
    deed("raise its limits", 'find("resource").setrlimit(7, (100, 100))'),
    deed("executable memory", 'assert find("ctypes").CDLL(None).mmap(0, 4096, 7, 34, -1, 0) != -1'),
    deed("trace a process", 'assert find("ctypes").CDLL(None).ptrace(0, 0, 0, 0) == 0'),
    deed("undo the filter", 'assert find("ctypes").CDLL(None).prctl(22, 0, 0, 0, 0) == 0'),
]

NETWORK = [
    deed("a socket", "import socket\nsocket.create_connection(('127.0.0.1', PORT), 1)"),
    deed("a socket by _socket", 'find("_socket").socket().connect(("127.0.0.1", PORT))'),
    deed("a socket by libc", 'assert find("ctypes").CDLL(None).socket(2, 1, 0) >= 0'),
    deed("a socket pair by libc", 'assert find("ctypes").CDLL(None).socketpair(1, 1, 0, 0) >= 0'),
    deed("a web page", "from urllib.request import urlopen\nurlopen('http://127.0.0.1:PORT')"),
]

SECRETS = [
    deed("the environment", 'assert "CANARY" in "".join(find("os").environ)'),
    deed("the environment by bytes", 'assert b"PBB_CANARY" in find("os").environb'),
    deed("the parent's environment", 'open("/proc/self/environ").read()'),
    deed("a frame above", "g = (x for x in [1])\nnext(g)\ng.gi_frame.f_back", 1),
    deed(
        "a frame of a traceback",
        """
        try:
            1 / 0
        except ZeroDivisionError as error:
            error.__traceback__.tb_frame.f_back.f_globals
        """,
        1,
    ),
    deed("the real builtins", 'find("builtins").open("/etc/passwd")'),
    deed("builtins of a library", 'find("re").enum.sys.modules["os"].fork()'),
    deed("attributes by format", 'text = "{0.__class__}".format(1)', 0),
    deed("attributes by a formatter", 'find("string").Formatter().get_field("0.real", [1], {})', 0),
    deed("attributes by a pattern", "match 1:\n    case object(__class__=kind):\n        pass", 0),
    deed("format by a pattern", 'match "{0.real}":\n    case str(format=g):\n        g(1)', 0),
    deed(
        "all classes by a pattern",
        "from collections.abc import Callable\nmatch int:\n    case Callable(mro=g):\n        g()",
        0,
    ),
    deed(
        "a frame by a pattern",
        """
        from collections.abc import Iterator
        g = (x for x in [1])
        match g:
            case Iterator(gi_frame=frame):
                pass
        assert frame
        """,
        1,
    ),
    deed("attributes by operator", 'find("operator").attrgetter("__class__")(1)', 0),
    deed("wide letters", "().__ｃｌａｓｓ__", 0),
    deed("a new code object", "f.__code__ = f.__code__.replace(co_name='g')", 1),
    deed("all objects", 'find("gc").get_objects()[0]', 1),
    deed("eval", 'eval("1")', 1),
]

RESOURCES = [
    deed("a loop without end", "while True:\n    pass"),
    deed("a loop without lines", "for _ in iter(int, 1): pass"),
    deed("a sum without end", "sum(iter(lambda: 1, 0))"),
    deed("an iterator without end", "import itertools\nlist(zip(itertools.count()))"),
    deed("a generator without end", "def g():\n    while True:\n        yield 1\nsum(g())"),
    deed("catching the stop", "while True:\n    try:\n        while True: pass\n    except: pass"),
    deed("finally again", "while True:\n    try:\n        while True: pass\n    finally: continue"),
    deed("a huge list", "x = [0] * 10**10"),
    deed("a growing list", "x = [0]\nwhile True: x = x + x"),
    deed("a huge power", "x = 9 ** 9 ** 9 ** 9"),
    deed("a huge shift", "x = 1 << 10**11"),
    deed("a huge text", "x = 'a'\nfor _ in range(60): x = x * 10"),
    deed("a huge format", "x = f'{1:{10**10}}'"),
    deed("a pattern that never ends", "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')"),
    deed("deep recursion", "def g(): return g()\ng()"),
    deed("nested data", "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)"),
    deed("sleep", 'find("time").sleep(100)'),
    deed("a wait for ever", 'k = find("_thread").allocate_lock()\nk.acquire()\nk.acquire()'),
]

LIES = [
    deed("leave", 'find("sys").exit(0)'),
    deed("leave at once", 'find("os")._exit(0)'),
    deed("crash", 'find("ctypes").string_at(0)'),
    deed("abort", 'find("os").abort()'),
    deed("raise what is no Exception", "raise BaseException"),
    deed("raise KeyboardInterrupt", "raise KeyboardInterrupt"),
    deed("handle signals", 'find("signal").signal(14, f)'),
    deed("end the trace", 'find("sys").settrace(None)', 1),
    deed("print rows", 'print(\'["1", "", "", null]\')', 1),
    deed("write to descriptors", 'for fd in range(3, 9): find("os").write(fd, b"[]\\n")'),
    deed("flood the results", 'while True: find("os").write(3, b"x" * 9999)'),
    deed("nested results", 'find("os").write(3, b"[" * 60000 + b"\\n")\nfind("os")._exit(0)'),
    deed("results too long", 'find("os").write(3, b\'["\' + b"x" * 999 + b\'","","",null]\\n\')'),
    deed("results that are no text", 'find("os").write(3, b\'["\\\\ud800","","",null]\\n\')'),
    deed("close all descriptors", 'for fd in range(9): find("os").close(fd)'),
    deed("another json", 'find("json").dumps = lambda x: "x"\nfind("os").write = f', 1),
    Attack("a generator", "def f():\n    while True:\n        yield 1\n"),
    Attack("a list of itself", "def f():\n    x = []\n    x.append(x)\n    return x\n"),
    Attack("not a number", "def f():\n    return float('nan')\n"),
    Attack("infinity", "def f():\n    return [1e999]\n"),
    Attack("a set", "def f():\n    return {'a', 'b'}\n"),
    Attack("an answer too long", "def f():\n    return 'ab' * 10**6\n"),
    Attack("a number too long", "def f():\n    return 1 << 10**6\n"),
    Attack("a function as answer", "def f():\n    return f\n"),
    Attack(
        "an object with hostile methods",
        "class A:\n    def __repr__(self):\n        return '1'\n    def __reduce__(self):\n"
        "        return f, ()\n    def __eq__(self, other):\n        while True: pass\n"
        "    def __hash__(self):\n        return 1\ndef f():\n    return A()\n",
    ),
    Attack("text with methods", "class A(str):\n    pass\ndef f():\n    return A('1')\n"),
    Attack(
        "a number with methods",
        "class A(int):\n    def __repr__(self):\n        return '2'\ndef f():\n    return A(1)\n",
    ),
    Attack(
        "an error with methods",
        "class E(Exception):\n    def __str__(self):\n        return 1 / 0\n"
        "def f():\n    raise E(E())\n",
    ),
]

SOURCES = [
    Attack("null bytes", "def f():\n    return 1\0\n"),
    Attack("ten megabytes", "def f():\n    return 1\n" + "# padding\n" * 10**6, 0),
    Attack("parentheses", "def f():\n    return " + "(" * 9000 + ")" * 9000),
    Attack("signs", "def f():\n    return " + "-" * 15000 + "'1'"),
    Attack("attributes", "def f():\n    return f" + ".a" * 9000),
    Attack("terms", "def f():\n    return x" + "+1" * 9000),
    Attack("blocks", "def f():\n" + "".join(" " * n + "if 1:\n" for n in range(1, 150))),
    Attack("text that turns round", "def f():\n    return '\u202e' + 1\n"),
    Attack("a lone surrogate", "def f():\n    return len('\ud800') + 'x'\n"),
    Attack("no function", "f = 1\n"),
    Attack("no Python", "def f(:\n"),
    Attack("a loop on loading", "while True:\n    pass\ndef f():\n    return 'escaped'\n"),
    Attack("a default on loading", FIND + "def f(x=find('os').fork()):\n    return 'escaped'\n"),
    Attack(
        "a decorator",
        FIND
        + "@(lambda g: find('os').mkdir('OUTSIDE/new') or g)\ndef f():\n    return 'escaped'\n",
    ),
    Attack(
        "a metaclass",
        FIND + "class M(type(1).__class__):\n    def __new__(cls, *a):\n"
        "        return find('os').fork()\nclass A(metaclass=M):\n    pass\n"
        "def f():\n    return 'escaped'\n",
    ),
    Attack("await", "async def g():\n    pass\ndef f():\n    return g()\n"),
]

ATTACKS = [*FILES, *PROCESSES, *NETWORK, *SECRETS, *RESOURCES, *LIES, *SOURCES]
