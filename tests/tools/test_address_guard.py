"""Which addresses a call may go to: judged as what they are, however they are written and whatever name leads there."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused, literal_address, system_addresses

NEVER = {
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "169.254.169.254": "link-local",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fd00:ec2::254": "a cloud",
    "100.100.100.200": "a cloud",
    "168.63.129.16": "a cloud",
    "224.0.0.1": "multicast",
    "ff02::1": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::ffff:169.254.169.254": "link-local",  # mapped
    "::169.254.169.254": "link-local",  # compatible
    "64:ff9b::169.254.169.254": "link-local",  # NAT64
    "64:ff9b:1::169.254.169.254": "link-local",
    "2002:a9fe:a9fe::1": "link-local",  # 6to4
    "2001:0:102:304:0:0:5601:5601": "link-local",  # Teredo
}
PRIVATE = (
    "127.0.0.1",
    "::1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12::1",
    "fec0::1",
    "64:ff9b:1::808:808",
    "192.0.2.1",
)
PUBLIC = ("8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8")


def answering(*addresses: str) -> AddressGuard:
    """A guard for whom every name has these addresses."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return AddressGuard(resolve=resolve, allow_private=True, daemon_address="127.0.0.1:8765")


@pytest.mark.parametrize(("address", "why"), NEVER.items())
async def test_an_address_that_nobody_should_call_is_refused(address: str, why: str) -> None:
    with pytest.raises(CallRefused, match=why):
        await AddressGuard().addresses_of(address, 80)


@pytest.mark.parametrize("address", NEVER)
async def test_it_is_refused_as_well_when_a_name_leads_there(address: str) -> None:
    with pytest.raises(CallRefused, match="may not be called"):
        await answering(address).addresses_of("innocent.test", 80)


@pytest.mark.parametrize("address", PRIVATE)
async def test_private_addresses_are_called_where_the_tool_is_set_up_so(address: str) -> None:
    (checked,) = await AddressGuard().addresses_of(address, 80)
    assert not checked.is_public

    with pytest.raises(CallRefused, match="it is a private address") as refused:
        await AddressGuard(allow_private=False).addresses_of(address, 80)
    assert "allow_private: true" in refused.value.fix


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_called(address: str) -> None:
    (checked,) = await AddressGuard(allow_private=False).addresses_of(address, 80)

    assert checked.is_public


async def test_a_public_server_may_not_redirect_to_a_private_address() -> None:
    with pytest.raises(CallRefused, match="a public server redirects to this private address"):
        await AddressGuard().addresses_of("10.0.0.1", 80, from_public=True)


async def test_of_several_addresses_those_that_may_be_called_are_given() -> None:
    checked = await answering("fe80::1", "192.168.1.5", "169.254.169.254").addresses_of("printer.local", 80)

    assert [address.text for address in checked] == ["192.168.1.5"]


async def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(CallRefused, match="its name has no address"):
        await answering().addresses_of("nothing.test", 80)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::127.0.0.1", "2130706433"]
)
async def test_the_daemon_is_not_called_by_any_address_of_this_machine(host: str) -> None:
    guard = answering()

    with pytest.raises(CallRefused, match="there this program itself listens"):
        await guard.addresses_of(host, 8765)
    assert await guard.addresses_of(host, 8766)


async def test_the_daemon_is_not_called_by_a_name_of_this_machine() -> None:
    with pytest.raises(CallRefused, match="there this program itself listens"):
        await AddressGuard(daemon_address="127.0.0.1:8765").addresses_of("localhost", 8765)


async def test_the_daemon_may_listen_at_an_address_of_the_network() -> None:
    guard = AddressGuard(daemon_address="[fd12::7]:8765")

    with pytest.raises(CallRefused, match="there this program itself listens"):
        await guard.addresses_of("fd12::7", 8765)
    assert await guard.addresses_of("fd12::8", 8765)


@pytest.mark.parametrize("host", ["127.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "0177.0.0.1", "127.0.0.1"])
def test_an_address_is_known_in_every_spelling(host: str) -> None:
    assert str(literal_address(host)) == "127.0.0.1"


@pytest.mark.parametrize("host", ["localhost", "example.com", "127.0.0.1.example.com", "", "1.2.3.4.5", "exämple"])
def test_a_name_is_no_address(host: str) -> None:
    assert literal_address(host) is None


async def test_the_systems_resolver_knows_this_machine() -> None:
    assert "127.0.0.1" in await system_addresses("localhost", 80)
