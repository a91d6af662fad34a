//! The screens of a visit, as markup. Element ids are those that the suites of the format click.

use std::fmt::Write as _;

use app::{
    Access, Note, Offer, Screen, TroubleKind, Visit,
    ports::{AccountCar, Factor},
};
use domain::connect::{
    Permission, PermissionSet,
    authorize::{Door, Mode},
    country::COUNTRIES,
};

use super::{
    page::{Page, back, brand_name, carried, for_developers, named, noted, where_to_end, written},
    path_of,
    words::{Language, Words},
};
use crate::pages::html::Text;

/// What every screen has at hand.
pub(super) struct Scene<'a> {
    pub(super) visit: &'a Visit,
    pub(super) sealed: &'a str,
    pub(super) language: Language,
}

impl Scene<'_> {
    fn words(&self) -> &'static Words {
        self.language.words()
    }

    fn page(&self, title: &str) -> Page {
        Page::of(self.visit, self.language, title)
    }

    fn text(&self, text: &str) -> String {
        written(text, self.visit)
    }

    /// A form of a screen around its fields.
    fn form(&self, screen: Screen, fields: &str) -> String {
        let (path, visit) = (path_of(screen), carried(self.sealed));
        format!("<form method=\"post\" action=\"{path}\">\n{visit}\n{fields}</form>\n")
    }

    fn note(&self) -> String {
        let words = self.words();
        noted(&self.named(match self.visit.note() {
            Note::None => "",
            Note::WrongLogin => words.wrong_login,
            Note::WrongFactor => words.wrong_factor,
            Note::NoVehicle => words.no_vehicle,
            Note::OneOnly => words.one_only,
            Note::NoPermission => words.no_permission,
            Note::AnotherAccount => words.another_account,
            Note::NoCapacity => words.no_capacity,
            Note::NoAccess => words.no_access,
        }))
    }

    fn named(&self, text: &str) -> String {
        named(text, self.visit)
    }
}

/// Who asks, and where the owner is.
pub(super) fn preamble(scene: &Scene<'_>) -> Page {
    let words = scene.words();
    let mut fields = String::new();
    if matches!(scene.visit.request.door, Door::Authorize | Door::Access) {
        let chosen = scene.visit.country().code;
        let options: String = COUNTRIES
            .iter()
            .map(|country| option(country.code, country.name, country.code == chosen))
            .collect();
        let _ = writeln!(
            fields,
            "<p class=\"field\"><label for=\"country\">{}</label>\n<select id=\"country\" name=\"country\">{options}</select></p>",
            Text(words.country)
        );
    }
    let options: String = Language::ALL
        .into_iter()
        .map(|language| option(language.code(), language.name(), language == scene.language))
        .collect();
    let _ = write!(
        fields,
        "<p class=\"field\"><label for=\"language\">{}</label>\n<span class=\"row\"><select id=\"language\" name=\"language\">{options}</select>\
         <button type=\"submit\" name=\"action\" value=\"language\" class=\"quiet\">{}</button></span></p>\n\
         <p class=\"actions\"><button type=\"submit\" id=\"continue-button\" name=\"action\" value=\"continue\">{}</button></p>\n",
        Text(words.language),
        Text(words.use_language),
        Text(words.go_on),
    );
    let steps = match scene.visit.request.door {
        Door::Authorize => {
            let steps: String =
                words.steps.iter().map(|step| format!("<li>{}</li>\n", scene.text(step))).collect();
            format!("<ol class=\"plan\">\n{steps}</ol>\n")
        }
        Door::Reauthenticate | Door::Capacity | Door::Access => String::new(),
    };
    let (title, text) = match scene.visit.request.door {
        Door::Access => (words.access, words.access_text),
        Door::Authorize => (words.welcome, words.welcome_text),
        Door::Reauthenticate => (words.again, words.again_text),
        Door::Capacity => (words.which_battery, words.which_battery_text),
    };
    let main = format!(
        "<p class=\"lead\">{}</p>\n{steps}{}<details>\n<summary>{}</summary>\n<p>{}</p>\n</details>\n",
        scene.text(text),
        scene.form(Screen::Preamble, &fields),
        Text(words.privacy),
        scene.text(words.privacy_text),
    );
    scene.page(title).with(main)
}

fn option(value: &str, name: &str, selected: bool) -> String {
    let selected = if selected { " selected" } else { "" };
    format!("<option value=\"{}\"{selected}>{}</option>", Text(value), Text(name))
}

/// The list of brands, those first that have what was searched for.
pub(super) fn brands(scene: &Scene<'_>, brands: &[String], search: &str) -> Page {
    let words = scene.words();
    let page = scene.page(words.brands).step(1);
    if brands.is_empty() {
        let main = format!(
            "<p>{}</p>\n{}",
            scene.text(words.no_brands_live),
            scene.form(
                Screen::Brands,
                &format!(
                    "<p class=\"actions\"><button type=\"submit\" name=\"make\" value=\"?\">{}</button></p>\n",
                    scene.text(leave(scene))
                )
            )
        );
        return page.with(main);
    }
    let plain = |text: &str| text.to_uppercase().replace(['-', '_'], " ");
    let found: Vec<_> = brands.iter().filter(|make| plain(make).contains(plain(search).trim())).collect();
    let items: String = found.iter().map(|make| brand_item(make)).collect();
    let list = match found.is_empty() {
        true => format!("<p role=\"status\">{}</p>\n", Text(words.no_brand)),
        false => format!("<ul class=\"brands\">\n{items}</ul>\n"),
    };
    let list = scene.form(Screen::Brands, &format!("{list}{}", other_brand(scene)));
    let main = format!(
        "<p class=\"lead\">{}</p>\n<form method=\"get\" action=\"{}\" role=\"search\" class=\"search\">\n{}\n\
         <label for=\"brand-search\">{}</label>\n<span class=\"row\"><input id=\"brand-search\" name=\"q\" type=\"search\" maxlength=\"40\" \
         autocomplete=\"off\" value=\"{}\"><button type=\"submit\" class=\"quiet\">{}</button></span>\n</form>\n{list}\
         <p id=\"no-brand\" role=\"status\" hidden>{}</p>\n",
        Text(words.brands_text),
        path_of(Screen::Brands),
        carried(scene.sealed),
        Text(words.search),
        Text(search),
        Text(words.search_button),
        Text(words.no_brand),
    );
    page.with(main).with_script()
}

fn brand_item(make: &str) -> String {
    let id = make.replace([' ', '-'], "_");
    format!(
        "<li><button type=\"submit\" id=\"{id}\" class=\"brand-list-item\" name=\"make\" value=\"{id}\">{}</button></li>\n",
        Text(brand_name(make))
    )
}

/// The way out for an owner whose brand is not in the list. On the owner's own page there is nothing to be had of it.
fn other_brand(scene: &Scene<'_>) -> String {
    if scene.visit.request.door == Door::Access {
        return String::new();
    }
    format!(
        "<p class=\"actions\"><button type=\"submit\" id=\"other-brand-button\" name=\"make\" value=\"?\" class=\"quiet\">{}</button></p>\n",
        Text(scene.words().other_brand)
    )
}

/// The login of a brand.
pub(super) fn sign_in(scene: &Scene<'_>) -> Page {
    let words = scene.words();
    let hint = simulated(scene, words.simulated_hint);
    let fields = format!(
        "<p class=\"field\"><label for=\"username\">{}</label>\n<input id=\"username\" name=\"username\" type=\"text\" inputmode=\"email\" \
         autocomplete=\"username\" autocapitalize=\"none\" spellcheck=\"false\" maxlength=\"254\" required value=\"{}\"></p>\n\
         <p class=\"field\"><label for=\"password\">{}</label>\n<input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" maxlength=\"1024\" required></p>\n\
         <p class=\"actions\"><button type=\"submit\" id=\"sign-in-button\" name=\"action\" value=\"sign-in\">{}</button>\n\
         <button type=\"submit\" name=\"action\" value=\"cancel\" class=\"quiet\" formnovalidate>{}</button></p>\n{}",
        Text(words.username),
        Text(scene.visit.username()),
        Text(words.password),
        Text(words.sign_in_button),
        Text(words.cancel),
        back(words, scene.visit),
    );
    let main = format!(
        "{}<p class=\"lead\">{}</p>\n{hint}{}",
        scene.note(),
        scene.text(words.sign_in_text),
        scene.form(Screen::SignIn, &fields)
    );
    scene.page(words.sign_in).step(2).with(main)
}

/// A hint about the simulator, where the visit meets it.
fn simulated(scene: &Scene<'_>, hint: &str) -> String {
    match scene.visit.request.mode {
        Mode::Live => String::new(),
        Mode::Simulated | Mode::Test => format!("<p class=\"hint\">{}</p>\n", scene.text(hint)),
    }
}

/// What the brand asks for beside a password.
pub(super) fn factor(scene: &Scene<'_>, factor: Factor) -> Page {
    let words = scene.words();
    let (title, text, digits, autocomplete) = match factor {
        Factor::Code(digits) => (words.code, words.code_text, digits, "one-time-code"),
        Factor::Pin(digits) => (words.pin, words.pin_text, digits, "off"),
    };
    let fields = format!(
        "<p class=\"field\"><label for=\"code\">{} ({digits})</label>\n<input id=\"code\" name=\"code\" type=\"text\" inputmode=\"numeric\" \
         autocomplete=\"{autocomplete}\" maxlength=\"{digits}\" class=\"digits\" required></p>\n\
         <p class=\"actions\"><button type=\"submit\" id=\"code-button\" name=\"action\" value=\"confirm\">{}</button></p>\n{}",
        Text(words.digits),
        Text(words.go_on),
        back(words, scene.visit),
    );
    let hint = simulated(scene, words.simulated_digits);
    let main = format!(
        "{}<p class=\"lead\">{}</p>\n{hint}{}",
        scene.note(),
        scene.text(text),
        scene.form(Screen::Factor, &fields)
    );
    scene.page(title).step(2).with(main)
}

/// Which battery a car has.
pub(super) fn capacity(scene: &Scene<'_>, car: &AccountCar) -> Page {
    let words = scene.words();
    let choice = |wh: &u32| {
        let kilowatt_hours = f64::from(*wh) / 1_000.0;
        format!(
            "<label class=\"choice\"><input type=\"radio\" name=\"capacity\" value=\"{wh}\"> <span>{kilowatt_hours} kWh</span></label>\n"
        )
    };
    let choices: String = car.capacities_wh.iter().map(choice).collect();
    let fields = format!(
        "<input type=\"hidden\" name=\"vin\" value=\"{}\">\n<fieldset><legend>{}</legend>\n{choices}</fieldset>\n\
         <p class=\"actions\"><button type=\"submit\" id=\"capacity-button\" name=\"action\" value=\"choose\">{}</button>\n\
         <button type=\"submit\" name=\"action\" value=\"unknown\" class=\"quiet\">{}</button></p>\n{}",
        Text(&car.vin),
        vehicle(words, car),
        Text(words.choose),
        Text(words.battery_unknown),
        back(words, scene.visit),
    );
    let make = brand_name(&car.make);
    let main = format!(
        "{}<p class=\"lead\">{}</p>\n{}",
        scene.note(),
        scene.text(&words.battery_text.replace("{make}", &make)),
        scene.form(Screen::Capacity, &fields)
    );
    scene.page(words.battery).step(2).with(main)
}

fn vehicle(words: &Words, car: &AccountCar) -> String {
    format!(
        "<span class=\"car\"><b>{} {}</b> <span>{} · {}</span></span>",
        Text(brand_name(&car.make)),
        Text(&car.model),
        car.year,
        vin_end(words, &car.vin)
    )
}

/// As much of a vehicle's number as tells it from others.
fn vin_end(words: &Words, vin: &str) -> String {
    let end = vin.get(vin.len().saturating_sub(6)..).unwrap_or_default();
    format!("{} {}", Text(words.vin_ends), Text(end))
}

/// What is granted.
pub(super) fn grant(scene: &Scene<'_>, offers: &[Offer]) -> Page {
    let words = scene.words();
    let single = scene.visit.request.single;
    let (kind, legend) = match single {
        true => ("radio", words.one_vehicle),
        false => ("checkbox", words.vehicles),
    };
    let choice = |(place, offer): (usize, &Offer)| {
        let checked = if !single || place == 0 { " checked" } else { "" };
        format!(
            "<label class=\"choice\"><input type=\"{kind}\" name=\"vehicle\" value=\"{place}\"{checked}> {}</label>\n",
            vehicle(words, &offer.car)
        )
    };
    let vehicles: String = offers.iter().enumerate().map(choice).collect();
    let all = offers.iter().fold(PermissionSet::default(), |all, offer| all.or(offer.permissions));
    let (may_do, may_read): (Vec<_>, Vec<_>) = all.iter().partition(|permission| permission.controls());
    let fields = format!(
        "<fieldset><legend>{}</legend>\n{vehicles}</fieldset>\n{}{}<p class=\"hint\">{} {}</p>\n\
         <p class=\"actions\"><button type=\"submit\" id=\"approval-button\" name=\"action\" value=\"approve\">{}</button>\n\
         <button type=\"submit\" id=\"refusal-button\" name=\"action\" value=\"refuse\" class=\"quiet\">{}</button></p>\n{}",
        Text(legend),
        permissions(scene, words.may_read, &may_read),
        permissions(scene, words.may_do, &may_do),
        scene.text(words.lasts),
        where_to_end(words, scene.visit),
        Text(words.approve),
        Text(words.refuse),
        back(words, scene.visit),
    );
    let main = format!(
        "{}<p class=\"lead\">{}</p>\n{}",
        scene.note(),
        scene.text(words.grant_text),
        scene.form(Screen::Grant, &fields)
    );
    scene.page(words.grant).step(3).with(main)
}

fn permissions(scene: &Scene<'_>, legend: &str, permissions: &[Permission]) -> String {
    if permissions.is_empty() {
        return String::new();
    }
    let words = scene.words();
    let choice = |permission: &Permission| {
        let text = Text((words.permission)(*permission));
        match scene.visit.request.required.contains(*permission) {
            true => format!(
                "<label class=\"choice\"><input type=\"checkbox\" checked disabled> <span>{text} <em>{}</em></span></label>\n",
                Text(words.required)
            ),
            false => format!(
                "<label class=\"choice\"><input type=\"checkbox\" name=\"permission\" value=\"{permission}\" checked> <span>{text}</span></label>\n"
            ),
        }
    };
    let choices: String = permissions.iter().map(choice).collect();
    format!("<fieldset><legend>{}</legend>\n{choices}</fieldset>\n", scene.text(legend))
}

/// What a car wants before it answers. The page of the brand opens beside this one, so that the visit can be ended here.
pub(super) fn virtual_key(scene: &Scene<'_>, url: &str) -> Page {
    let words = scene.words();
    let fields = format!(
        "<p class=\"actions\"><a class=\"button\" id=\"key-link\" href=\"{}\" target=\"_blank\" rel=\"noopener\">{}</a>\n\
         <button type=\"submit\" id=\"finish-button\" name=\"action\" value=\"continue\" class=\"quiet\">{}</button></p>\n",
        Text(url),
        scene.text(words.key_link),
        Text(words.go_on),
    );
    let main = format!(
        "<p class=\"lead\">{}</p>\n<p>{}</p>\n{}",
        scene.text(words.key_text),
        scene.text(words.key_later),
        scene.form(Screen::VirtualKey, &fields)
    );
    scene.page(words.key).step(3).with(main)
}

/// What the application has access to, with a button for each vehicle that ends it.
pub(super) fn access(scene: &Scene<'_>, accesses: &[Access]) -> Page {
    let words = scene.words();
    let (title, text) = match scene.visit.ended_access() {
        Some((make, model)) => {
            let car = format!("{} {model}", brand_name(make));
            (words.access_ended, words.access_ended_text.replace("{car}", &car))
        }
        None => (words.access, words.access_until.to_owned()),
    };
    let text = match accesses.is_empty() && scene.visit.ended_access().is_none() {
        true => String::new(),
        false => format!("<p class=\"lead\" role=\"status\">{}</p>\n", scene.text(&text)),
    };
    let list = match accesses.is_empty() {
        true => format!("<p>{}</p>\n", scene.text(words.access_none)),
        false => {
            let items: String = accesses.iter().map(|access| accessed(scene, access)).collect();
            scene.form(Screen::Access, &format!("<ul class=\"accesses\">\n{items}</ul>\n"))
        }
    };
    let note = scene.note();
    let main = format!("{note}{text}{list}<p class=\"hint\">{}</p>\n", scene.text(words.done_text));
    scene.page(title).step(3).with(main)
}

fn accessed(scene: &Scene<'_>, Access { vehicle, vin }: &Access) -> String {
    let words = scene.words();
    let info = &vehicle.info;
    let car = format!("{} {}", brand_name(&info.make), info.model);
    let number = vin.as_deref().map(|vin| format!(" · {}", vin_end(words, vin))).unwrap_or_default();
    let since = vehicle.connected_at.to_string();
    let day = since.split('T').next().unwrap_or_default();
    let (may_do, may_read): (Vec<_>, Vec<_>) =
        vehicle.permissions.iter().partition(|permission| permission.controls());
    format!(
        "<li>\n<h2 class=\"car\"><b>{}</b> <span>{}{number}</span></h2>\n<p>{} <time datetime=\"{since}\">{day}</time></p>\n{}{}\
         <p class=\"actions\"><button type=\"submit\" name=\"vehicle\" value=\"{}\" class=\"quiet end-access\">{}</button></p>\n</li>\n",
        Text(&car),
        info.year,
        Text(words.since),
        allowed(scene, words.may_read, &may_read),
        allowed(scene, words.may_do, &may_do),
        info.id,
        scene.text(&words.end_access.replace("{car}", &car)),
    )
}

/// What is granted, in words.
fn allowed(scene: &Scene<'_>, title: &str, permissions: &[Permission]) -> String {
    if permissions.is_empty() {
        return String::new();
    }
    let item =
        |&permission: &Permission| format!("<li>{}</li>\n", Text((scene.words().permission)(permission)));
    let items: String = permissions.iter().map(item).collect();
    format!("<h3>{}</h3>\n<ul>\n{items}</ul>\n", scene.text(title))
}

/// What the button says that leaves a page on which it does not go on.
fn leave(scene: &Scene<'_>) -> &'static str {
    match scene.visit.request.door {
        Door::Access => scene.words().begin_again,
        Door::Authorize | Door::Reauthenticate | Door::Capacity => scene.words().back,
    }
}

/// Something failed on this side. The address is the screen where that was, if the owner can try it again.
pub(super) fn broken(scene: &Scene<'_>, again: &str) -> Page {
    let words = scene.words();
    let (link, class) = match again {
        "" => (String::new(), ""),
        again => {
            let text = Text(words.try_again);
            (
                format!("<a class=\"button\" id=\"again-link\" href=\"{}\">{text}</a>\n", Text(again)),
                " class=\"quiet\"",
            )
        }
    };
    let fields = format!(
        "<p class=\"actions\">{link}<button type=\"submit\" id=\"return-button\" name=\"action\" value=\"leave\"{class}>{}</button></p>\n",
        scene.text(leave(scene))
    );
    let main = format!(
        "<p class=\"lead\">{}</p>\n{}",
        scene.text(words.internal_text),
        scene.form(Screen::Trouble, &fields)
    );
    scene.page(words.internal).with(main)
}

/// Why it does not go on.
pub(super) fn trouble(scene: &Scene<'_>, kind: TroubleKind, message: &str) -> Page {
    let words = scene.words();
    let (title, text) = match kind {
        TroubleKind::Incompatible => (words.incompatible, words.incompatible_text),
        TroubleKind::Subscription => (words.subscription, words.subscription_text),
        TroubleKind::NoVehicles => (words.no_vehicles, words.no_vehicles_text),
        TroubleKind::Configuration => (words.configuration, words.configuration_text),
        TroubleKind::PlanLimit => (words.plan, words.plan_text),
        TroubleKind::Internal => return broken(scene, ""),
        TroubleKind::NoBrands => (words.configuration, words.no_brands_live),
        TroubleKind::Skipped => (words.skipped, words.skipped_text),
    };
    let car = scene.visit.incompatible_car();
    // Who looks at what an application has does not tell it more.
    let fields = match car.is_empty() || scene.visit.request.door == Door::Access {
        true => format!(
            "<p class=\"actions\"><button type=\"submit\" id=\"return-button\" name=\"action\" value=\"leave\">{}</button></p>\n",
            scene.text(leave(scene))
        ),
        false => {
            let rows: String = car.iter().map(|(name, value)| row_of_car(words, name, value)).collect();
            format!(
                "<p>{}</p>\n<dl>\n{rows}</dl>\n<p class=\"actions\"><button type=\"submit\" id=\"share-button\" name=\"action\" value=\"share\">{}</button>\n\
                 <button type=\"submit\" id=\"return-button\" name=\"action\" value=\"leave\" class=\"quiet\">{}</button></p>\n",
                scene.text(words.share_text),
                scene.text(words.share),
                Text(words.do_not_share),
            )
        }
    };
    let detail = match message {
        "" => String::new(),
        message => for_developers(words, &format!("<p lang=\"en\">{}</p>\n", Text(message))),
    };
    let main = format!(
        "<p class=\"lead\">{}</p>\n{}{detail}",
        scene.text(text),
        scene.form(Screen::Trouble, &fields)
    );
    scene.page(title).with(main)
}

/// Something of a car that is not compatible, in words of its owner.
fn row_of_car(words: &Words, name: &str, value: &str) -> String {
    let (label, value) = match name {
        "make" => (words.make, brand_name(value)),
        "model" => (words.model, value.to_owned()),
        "year" => (words.year, value.to_owned()),
        _ => (words.vin, value.to_owned()),
    };
    format!("<dt>{}</dt><dd>{}</dd>\n", Text(label), Text(value))
}
