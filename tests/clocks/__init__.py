"""Every story once more with clocks two hours ahead, which must cost no simulated time.

`__main__` runs the stories and compares, `recorded` is the plugin by which pytest writes down the
simulated minutes of each world of each test.
"""
