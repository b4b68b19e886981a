"""Properties that hold for every input, tried with inputs that hypothesis makes."""

import tests  # noqa: F401 # puts runtime/ and emulator/ on the search path
