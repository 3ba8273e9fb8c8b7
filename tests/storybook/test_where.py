from gesso.storybook.draw import draw
from gesso.storybook.splits import scene_at
from gesso.storybook.where import place_seen


def test_true_renders_show_their_places():
    right = 0
    for number in range(80):
        scene = scene_at("test", 77, number, counts=(1,))
        right += place_seen(draw(scene, 96), scene.things[0].box) == scene.place
    assert right >= 77
