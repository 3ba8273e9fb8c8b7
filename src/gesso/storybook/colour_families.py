"""Which of the storybook's colours an HTML colour name stands for.

The families are those in which CSS's extended colours are usually listed (Wikipedia, "Web colors"); they
follow people's eyes, where distances in colour spaces would call crimson brown and navy purple.
"""

from types import MappingProxyType
from typing import Final

__all__ = ["COLOUR_FAMILY"]

_FAMILIES: Final = {
    "pink": "deeppink hotpink lightpink mediumvioletred palevioletred pink",
    "red": "crimson darkred darksalmon firebrick indianred lightcoral lightsalmon red salmon",
    "orange": "coral darkorange orange orangered tomato",
    "yellow": (
        "darkkhaki gold khaki lemonchiffon lightgoldenrodyellow lightyellow moccasin palegoldenrod "
        "papayawhip peachpuff yellow"
    ),
    "brown": (
        "bisque blanchedalmond brown burlywood chocolate cornsilk darkgoldenrod goldenrod maroon "
        "navajowhite peru rosybrown saddlebrown sandybrown sienna tan wheat"
    ),
    "purple": (
        "blueviolet darkmagenta darkorchid darkslateblue darkviolet fuchsia indigo lavender magenta "
        "mediumorchid mediumpurple mediumslateblue orchid plum purple rebeccapurple slateblue thistle "
        "violet"
    ),
    "blue": (
        "blue cornflowerblue darkblue deepskyblue dodgerblue lightblue lightskyblue lightsteelblue "
        "mediumblue midnightblue navy navyblue powderblue royalblue skyblue steelblue"
    ),
    "turquoise": (
        "aqua aquamarine cadetblue cyan darkcyan darkturquoise lightcyan lightseagreen mediumturquoise "
        "paleturquoise teal turquoise"
    ),
    "green": (
        "chartreuse darkgreen darkolivegreen darkseagreen forestgreen green greenyellow lawngreen "
        "lightgreen lime limegreen mediumaquamarine mediumseagreen mediumspringgreen olive olivedrab "
        "palegreen seagreen springgreen yellowgreen"
    ),
    "white": (
        "aliceblue antiquewhite azure beige floralwhite ghostwhite honeydew ivory lavenderblush linen "
        "mintcream mistyrose oldlace seashell snow white whitesmoke"
    ),
    "gray": (
        "darkgray darkgrey darkslategray darkslategrey dimgray dimgrey gainsboro gray grey lightgray "
        "lightgrey lightslategray lightslategrey silver slategray slategrey"
    ),
    "black": "black",
}

COLOUR_FAMILY: Final = MappingProxyType(
    {name: colour for colour, names in _FAMILIES.items() for name in names.split()}
)
"""HTML colour name of a canvas -> one of `scene.COLOURS`."""
