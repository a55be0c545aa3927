"""What this machine's hardware and kernel tell of themselves, read and never changed.

Nothing here knows of events or sources.

card        one GPU at one moment: the fields, in which units
nvidia      NVIDIA by NVML: reading calls only, no CUDA context, no memory on the card
drm         AMD and Intel by the files of the Linux kernel
apple       Apple silicon by `ioreg`
recorded    readings from a file, for tests and for a machine without a card
cgroup      memory and CPU of control groups; the kernel's count of kills for lack of memory
kills       who was killed for lack of memory, from the kernel's log where it may be read
docker_api  a Docker daemon's answers, GET only
"""
