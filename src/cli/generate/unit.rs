//! The units of systemd: the shipped files themselves, compiled in.

use super::Generated;

const FILES: &[(&str, &str)] = &[
    ("headcount.service", include_str!("../../../config/headcount.service")),
    ("headcount.socket", include_str!("../../../config/headcount.socket")),
    ("headcount-admin.socket", include_str!("../../../config/headcount-admin.socket")),
    ("headcount-tls.socket", include_str!("../../../config/headcount-tls.socket")),
    ("headcount.service.d/redis.conf", include_str!("../../../config/headcount.service.d/redis.conf")),
    ("headcount.service.d/tls.conf", include_str!("../../../config/headcount.service.d/tls.conf")),
];

pub(super) fn files() -> Vec<Generated> {
    FILES
        .iter()
        .map(|(path, text)| Generated {
            name: (*path).to_owned(),
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        })
        .collect()
}
