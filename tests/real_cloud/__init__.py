"""A real Keystone, Glance and Swift on loopback, installed, started, filled and stopped for the tests.

    with RealCloud.start(root) as cloud:
        cloud.auth_url, cloud.producer.password, cloud.put_file("web.vhd", data)

`root` keeps the virtual environments between runs; everything else lives in a temporary folder that goes at the end.
By hand, from `tests/`: `python -m real_cloud`.
"""

from real_cloud._cloud import RealCloud
from real_cloud._errors import RealCloudError
from real_cloud._identity import Account

__all__ = ["Account", "RealCloud", "RealCloudError"]
