"""``python -m module``, again and again, each in a fork that has slow imports behind it.

Run as a script: its arguments are what to import first. Each line that it reads asks for one
command, as JSON; each line that it writes is the exit status of one.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import sys
import traceback


def main(preloaded):
    for name in preloaded:
        importlib.import_module(name)
    gc.freeze()  # what is here stays, and a fork shares it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = become(**json.loads(line))
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)  # without taking apart what it has not made
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(module, arguments, folder, environment, output):
    """``python -m module`` in a folder and an environment, both streams into a file; its status."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    for stream, path, flags in ((0, os.devnull, os.O_RDONLY), (1, output, os.O_WRONLY)):
        os.dup2(os.open(path, flags), stream)
    os.dup2(1, 2)
    sys.path[0], sys.argv = folder, [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main(sys.argv[1:])
