"""What a team does with the official Python SDK, every function of it that speaks v2.

    owner.py url                  prints where to send the owner
    owner.py use CODE             redeems the code and uses the car
    owner.py ford CODE            the same for a car that takes commands
    owner.py origins              calls every host that the SDK knows, and prints those that are not this machine

No call leaves this machine: the name of any other host is noted, and not looked up. Only environment variables say where the server is. What is not as expected ends the script with the line that says so.
"""

import json
import os
import socket
import sys
import urllib.parse
from datetime import datetime

import smartcar

STRAYED = set()
look_up = socket.getaddrinfo


def guarded(host, *rest, **named):
    """Looks up the name of this machine, and no other."""
    if host not in ("127.0.0.1", "localhost"):
        STRAYED.add(host)
        raise OSError(f"{host} is not this machine")
    return look_up(host, *rest, **named)


socket.getaddrinfo = guarded

SCOPES = [
    "read_vehicle_info", "read_vin", "read_odometer", "read_location", "read_battery", "read_charge", "read_fuel",
    "read_engine_oil", "read_tires", "read_security", "read_diagnostics", "read_service_history",
    "control_security", "control_charge", "control_navigation",
]
AMT = os.environ["MILEPOST_AMT"]
WEBHOOK = os.environ["MILEPOST_WEBHOOK"]


def client():
    return smartcar.AuthClient(mode="test")


def refused(call, status, kind, code=None):
    """The error of a call that has to fail in this way."""
    try:
        answer = call()
    except smartcar.SmartcarException as error:
        found = (error.status_code, error.type, getattr(error, "code", None))
        assert found == (status, kind, code), f"{found} {error}"
        return error
    raise AssertionError(f"{answer} was not refused")


def fresh(answer, unit=None):
    """Data that a vehicle gave says when, by which request and in which units."""
    assert len(answer.meta.request_id) == 36, answer
    for moment in (answer.meta.data_age, answer.meta.fetched_at):
        assert len(moment) == 24, answer.meta
        datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")
    if unit:
        assert answer.meta.unit_system == unit, answer.meta
    return answer


def redeemed(code):
    access = client().exchange_code(code)
    assert len(access.access_token) == 36 and len(access.refresh_token) == 36, "tokens have 36 characters"
    assert access.token_type == "Bearer" and access.expires_in == 7200, access
    again = refused(lambda: client().exchange_code("nonsense"), 400, "invalid_request")
    assert again.message == "Invalid code: nonsense.", again.message
    again = refused(lambda: client().exchange_refresh_token("nonsense"), 400, "invalid_grant")
    assert again.message == "Invalid refresh_token: nonsense.", again.message
    access = client().exchange_refresh_token(access.refresh_token)
    assert len(access.access_token) == 36, access
    return access.access_token


def account(token):
    user = smartcar.get_user(token)
    assert len(user.id) == 36 and len(user.meta.request_id) == 36, user
    error = refused(lambda: smartcar.get_user("nonsense"), 401, "AUTHENTICATION")
    assert error.detail is None and set(error.resolution) == {"type", "url"}, vars(error)
    # Ends in words that suites compare.
    assert error.message.startswith("AUTHENTICATION - The authorization header is missing or malformed, or it"), error
    assert error.message.endswith("spelling and casing mistakes, and other syntax issues."), error
    vehicles = smartcar.get_vehicles(token)
    assert len(vehicles.vehicles) == 1 and vehicles.paging.count == 1, vehicles
    beyond = smartcar.get_vehicles(token, paging={"offset": 1})
    assert beyond.vehicles == [] and beyond.paging.offset == 1, beyond
    assert len(smartcar.get_vehicles(token, paging={"limit": 1, "offset": 0}).vehicles) == 1
    assert smartcar.get_api_version() == "2.0"
    smartcar.set_api_version("999999.0")
    assert smartcar.get_user(token).id == user.id, "a made-up version is the newest"
    smartcar.set_api_version("2.0")
    return user.id, vehicles.vehicles[0]


def reads(car):
    attributes = car.attributes()
    assert (attributes.make, attributes.model) == ("CHEVROLET", "Volt"), attributes
    assert isinstance(attributes.year, int) and len(attributes.id) == 36, attributes
    assert len(car.vin().vin) == 17
    assert fresh(car.odometer(), "metric").distance > 0
    location = fresh(car.location())
    assert type(location.latitude) is float and type(location.longitude) is float, location
    assert -90 <= location.latitude <= 90 and -180 <= location.longitude <= 180, location
    battery = fresh(car.battery(), "metric")
    assert 0 < battery.percent_remaining <= 1 and type(battery.range) is float and battery.range > 0, battery
    capacity = fresh(car.battery_capacity()).capacity
    assert type(capacity) is float and capacity > 0, capacity
    nominal = fresh(car.nominal_capacity())
    assert nominal.capacity is None or nominal.capacity["nominal"] > 0, nominal
    charge = fresh(car.charge())
    assert charge.is_plugged_in is True, "a fresh car is plugged in"
    assert charge.state in ("CHARGING", "NOT_CHARGING"), "and not full"
    assert 0 < fresh(car.get_charge_limit()).limit <= 1
    fuel = fresh(car.fuel(), "metric")
    assert fuel.range > 0 and 0 < fuel.percent_remaining <= 1, fuel
    assert type(fuel.amount_remaining) is float and fuel.amount_remaining > 0, fuel
    assert 0 < fresh(car.engine_oil()).life_remaining <= 1
    tires = fresh(car.tire_pressure(), "metric")
    for pressure in (tires.front_left, tires.front_right, tires.back_left, tires.back_right):
        assert isinstance(pressure, float) and pressure > 100, tires
    metric = tires.front_left
    imperial = smartcar.Vehicle(car.vehicle_id, car.access_token, {"unit_system": "imperial"})
    tires = fresh(imperial.tire_pressure(), "imperial")
    assert 10 < tires.front_left < metric, tires
    lock = car.lock_status()
    assert isinstance(lock.is_locked, bool) and lock.doors, lock


def signals(car, token):
    """v3 as the tokens of owners read it."""
    vehicle = smartcar.smartcar.get_vehicle(token, car.vehicle_id)["body"]
    assert vehicle["attributes"]["make"] == "CHEVROLET", vehicle
    known = car.get_signals()["body"]
    assert known["meta"]["totalCount"] == len(known["data"]) > 3, known["meta"]
    one = car.get_signal("odometer-traveleddistance")["body"]
    assert one in known["data"] and one["attributes"]["body"]["value"] > 0, one


def permissions(car):
    """What was asked for, as far as the car has it."""
    granted = car.permissions().permissions
    assert set(granted) <= set(SCOPES) and "read_odometer" in granted, granted
    page = car.permissions({"limit": 1, "offset": 1})
    assert len(page.permissions) == 1 and page.paging.count == len(granted) and page.paging.offset == 1, page


def batch(car):
    answers = car.batch(["/odometer", "/location", "/engine/oil", "/charge/limit", "/"])
    assert answers.odometer().distance > 0
    assert answers.location().meta.data_age
    assert 0 <= answers.engine_oil().life_remaining <= 1
    assert answers.get_charge_limit().limit > 0
    assert answers.attributes().make == car.attributes().make
    refused(lambda: car.batch(["/odometre"]), 400, "VALIDATION")


def request(car):
    answer = car.request("GET", "odometer", headers={"sc-unit-system": "imperial"})
    assert answer.body["distance"] > 0 and answer.meta.unit_system == "imperial", answer
    refused(lambda: smartcar.Vehicle("bad_id", car.access_token).odometer(), 400, "VALIDATION")
    unknown = "0190a8c8-0000-7000-8000-000000000000"
    error = refused(lambda: smartcar.Vehicle(unknown, car.access_token).odometer(), 403, "PERMISSION")
    assert error.resolution["type"] == "REAUTHENTICATE", error.resolution
    # v1.0 is gone, and says so in its own form.
    v1 = smartcar.Vehicle("bad_id", car.access_token, {"version": "1.0"})
    try:
        v1.odometer()
        raise AssertionError("v1.0 answered")
    except smartcar.SmartcarException as error:
        assert error.type == "validation_error" and not hasattr(error, "resolution"), vars(error)


def commands(car):
    def done(answer):
        assert answer._fields == ("status", "message", "meta"), answer
        assert (answer.status, answer.message) == ("success", "Successfully sent request to vehicle"), answer
        assert len(answer.meta.request_id) == 36, answer

    # In any order, and twice: a car that was just connected obeys.
    for change, state in [
        (car.start_charge, "CHARGING"), (car.start_charge, "CHARGING"),
        (car.stop_charge, "NOT_CHARGING"), (car.stop_charge, "NOT_CHARGING"), (car.start_charge, "CHARGING"),
    ]:
        done(change())
        assert car.charge().state == state, state
    for change, locked in [(car.lock, True), (car.lock, True), (car.unlock, False), (car.unlock, False)]:
        done(change())
        assert car.lock_status().is_locked is locked
    done(car.send_destination(40.748817, -73.985428))
    for limit in (0.7, 0.8):
        done(car.set_charge_limit(limit))
        assert car.get_charge_limit().limit == limit
    assert isinstance(car.service_history().items, list)
    status = car.diagnostic_system_status()
    assert status.systems and all(system.system_id and system.status for system in status.systems), status
    assert isinstance(car.diagnostic_trouble_codes().active_codes, list)
    answers = car.batch(["/diagnostics/system_status", "/diagnostics/dtcs", "/service/history"])
    assert answers.diagnostic_system_status().systems is not None
    assert answers.diagnostic_trouble_codes().active_codes is not None


def webhooks(car):
    subscribed = car.subscribe(WEBHOOK)
    assert (subscribed.webhook_id, subscribed.vehicle_id) == (WEBHOOK, car.vehicle_id), subscribed
    refused(lambda: car.unsubscribe("nonsense", WEBHOOK), 401, "AUTHENTICATION")
    assert car.unsubscribe(AMT, WEBHOOK).status == "success"
    refused(lambda: car.subscribe("0190a8c8-0000-7000-8000-000000000000"), 400, "VALIDATION")
    challenge = smartcar.hash_challenge("amt", "challenge")
    assert challenge == "9baf5a7464bd86740ad5a06e439dcf535a075022ed2c92d74efacf646d79328e", challenge
    signature = "4c05a8da471f05156ad717baa4017acd13a3a809850b9ca7d3301dcaaa854f70"
    assert smartcar.verify_payload("amt", signature, '{"pizza":"pasta"}')


def compatibility():
    scope = ["read_odometer", "read_location"]
    tesla = smartcar.get_compatibility("5YJXCDE22HF068739", scope)
    assert tesla.compatible and tesla.reason is None, tesla
    assert all(one.capable for one in tesla.capabilities), tesla
    other = smartcar.get_compatibility("WBAKE5C58DJ107700", scope)
    assert not other.compatible and other.reason == "VEHICLE_NOT_COMPATIBLE", other
    options = {"type": "BEV", "scope": scope}
    matrix = smartcar.smartcar.get_compatibility_matrix("US", make="NISSAN", options=options)
    assert matrix["NISSAN"], matrix
    for model in matrix["NISSAN"]:
        assert set(scope) <= set(model.permissions) and model.type == "BEV", model


def management(user, vehicle):
    assert smartcar.smartcar.get_management_token(AMT)
    connections = smartcar.get_connections(AMT, {"vehicle_id": vehicle}, {"limit": 1})
    assert len(connections.connections) == 1 and connections.paging.cursor is None, connections
    connection = connections.connections[0]
    assert (connection.vehicle_id, connection.user_id) == (vehicle, user), connection
    assert len(connection.connected_at) == 24, connection
    deleted = smartcar.delete_connections(AMT, {"user_id": user})
    assert [one.vehicle_id for one in deleted.connections] == [vehicle], deleted
    assert smartcar.get_connections(AMT, {"user_id": user}).connections == []


def origins():
    """Every host that the SDK calls or sends owners to, and that is not this machine."""
    vehicle = smartcar.Vehicle("0190a8c8-0000-7000-8000-000000000000", "nonsense")
    for call in (
        lambda: smartcar.get_user("nonsense"),
        lambda: smartcar.get_vehicles("nonsense"),
        lambda: smartcar.get_compatibility("5YJXCDE22HF068739", ["read_odometer"]),
        lambda: smartcar.smartcar.get_compatibility_matrix("US"),
        lambda: smartcar.get_connections("nonsense", {}, {}),
        lambda: smartcar.delete_connections("nonsense", {"user_id": vehicle.vehicle_id}),
        lambda: smartcar.smartcar.get_vehicle("nonsense", vehicle.vehicle_id),
        lambda: client().exchange_code("nonsense"),
        lambda: client().exchange_refresh_token("nonsense"),
        vehicle.odometer, vehicle.lock, vehicle.disconnect, vehicle.get_signals,
        lambda: vehicle.get_signal("odometer-traveleddistance"),
        lambda: vehicle.batch(["/odometer"]),
        lambda: vehicle.subscribe(WEBHOOK),
        lambda: vehicle.unsubscribe("nonsense", WEBHOOK),
    ):
        try:
            call()
        except Exception:
            pass  # Nobody is let in; where the call went is what counts.
    page = urllib.parse.urlsplit(client().get_auth_url(SCOPES)).hostname
    print(json.dumps(sorted(STRAYED | ({page} - {"127.0.0.1"}))))


def main():
    if sys.argv[1] == "origins":
        origins()
        return
    if sys.argv[1] == "url":
        print(client().get_auth_url(SCOPES, {"force_prompt": True, "state": "of-mine"}))
        return
    token = redeemed(sys.argv[2])
    user, vehicle = account(token)
    car = smartcar.Vehicle(vehicle, token)
    permissions(car)
    if sys.argv[1] == "ford":
        commands(car)
        assert car.disconnect().status == "success"
        refused(car.odometer, 403, "PERMISSION")
    else:
        reads(car)
        signals(car, token)
        batch(car)
        request(car)
        webhooks(car)
        compatibility()
        management(user, vehicle)
    assert not STRAYED, STRAYED
    print("all is well")


main()
