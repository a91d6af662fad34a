//! What happens to the fleet in the first two hours of the demo's clock.

use std::time::Duration;

use app::{
    AppError,
    ports::{CarCommand, Clock},
};

use super::stage::{Actor, Cast, Stage};

/// One thing that happens.
struct Scene {
    /// Minutes of the demo's clock after the fleet is on.
    minute: u64,
    /// The car's place in the fleet.
    car: usize,
    /// What the screen says, after the name of the car.
    words: &'static str,
    act: Act,
}

enum Act {
    /// The owner approves charging events at the brand.
    Approve,
    /// What the simulator lets happen, one after the other.
    Control(&'static [Control]),
}

/// What the simulator lets happen, in a form that stands in a table.
#[derive(Clone, Copy)]
enum Control {
    PlugIn,
    Unplug,
    Interrupt,
    /// How many times faster its own time runs.
    Speed(f64),
    OpenDoor,
    CloseDoor,
    FaultOfAirbag,
    ClearFault,
    Revoke,
    Restore,
}

const fn scene(minute: u64, car: usize, words: &'static str, control: &'static [Control]) -> Scene {
    Scene { minute, car, words, act: Act::Control(control) }
}

const MODEL_3: usize = 0;
const MACH_E: usize = 1;
const EV6: usize = 2;

/// In the order of their minutes.
const SCENES: [Scene; 12] = [
    Scene { minute: 2, car: MACH_E, words: "its owner approves charging events", act: Act::Approve },
    scene(4, MODEL_3, "is plugged in", &[Control::PlugIn, Control::Speed(6.0)]),
    scene(6, MACH_E, "is plugged in", &[Control::PlugIn]),
    scene(16, EV6, "its owner withdraws the access at the brand", &[Control::Revoke]),
    scene(32, MACH_E, "its charging breaks off", &[Control::Interrupt]),
    scene(44, EV6, "its owner gives the access back", &[Control::Restore]),
    scene(66, MODEL_3, "somebody opens the driver's door", &[Control::Speed(1.0), Control::OpenDoor]),
    scene(76, MODEL_3, "the door is shut", &[Control::CloseDoor]),
    scene(80, MACH_E, "its airbag has a fault", &[Control::FaultOfAirbag]),
    scene(96, MODEL_3, "is unplugged", &[Control::Unplug]),
    scene(100, MACH_E, "the airbag is mended", &[Control::ClearFault]),
    scene(106, MACH_E, "is unplugged", &[Control::Unplug]),
];

/// Lets everything happen at its time.
pub(super) async fn play(stage: &Stage<'_>, cast: &Cast) {
    let begun = stage.clock.now();
    for scene in &SCENES {
        stage.clock.sleep_until(begun + Duration::from_secs(60 * scene.minute)).await;
        let Some(actor) = cast.actors.get(scene.car) else { continue };
        let words = format!("{}: {}", actor.name, scene.words);
        match happen(stage, actor, &scene.act).await {
            Ok(()) => stage.tell(&words),
            // Who tries the API on these cars may have done something else with them.
            Err(error) => stage.tell(&format!("{words}; but {error}")),
        }
    }
}

async fn happen(stage: &Stage<'_>, actor: &Actor, act: &Act) -> Result<(), AppError> {
    match act {
        Act::Approve => stage.app.approve_charging_events(actor.vehicle).await,
        Act::Control(controls) => {
            for &control in *controls {
                stage.app.control_car(actor.car, &control.into(), None).await?;
            }
            Ok(())
        }
    }
}

impl From<Control> for CarCommand {
    fn from(control: Control) -> Self {
        match control {
            Control::PlugIn => Self::PlugIn,
            Control::Unplug => Self::Unplug,
            Control::Interrupt => Self::Interrupt,
            Control::Speed(times) => Self::Speed(times),
            Control::OpenDoor => Self::OpenDoor,
            Control::CloseDoor => Self::CloseDoor,
            Control::FaultOfAirbag => Self::Fault("Airbag".into()),
            Control::ClearFault => Self::ClearFault,
            Control::Revoke => Self::Revoke,
            Control::Restore => Self::Restore,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_are_in_the_order_of_their_minutes_within_two_hours() {
        assert!(SCENES.is_sorted_by_key(|scene| scene.minute));
        assert!(SCENES.iter().all(|scene| scene.minute < 118));
    }
}
